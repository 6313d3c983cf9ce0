// renderer.hpp: what a robot in a walled square sees. A small ray caster: for each pixel the first
// of apple, wall, floor and sky along its ray, with its colour, its depth and its class.
//
//   the world, metres            the camera
//   y (north)                    at the eye, level, 90 degrees from left to right
//   ^                            column 0 is left, row 0 is top; the horizon is the middle of the
//   +--> x (east), z is up       rows; square pixels, so a wide frame sees less up and down
//
// Float32 and only + - * / and square roots: the same picture on every machine, provided that the
// compiler fuses no multiplications with additions (-ffp-contract=off).
#ifndef UERL_SIM_RENDERER_HPP
#define UERL_SIM_RENDERER_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

namespace uerl_sim {

constexpr float kEyeHeight = 0.5f;     // metres above the floor
constexpr float kWallHeight = 1.8f;    // metres
constexpr float kAppleRadius = 0.25f;  // metres; apples lie on the floor
constexpr float kSkyDepth = 100.0f;    // metres, where a ray meets nothing

enum class PixelClass : std::uint8_t { sky = 0, floor = 1, wall = 2, apple = 3 };
constexpr int kNumPixelClasses = 4;

struct Point {
    float x = 0.0f;  // metres
    float y = 0.0f;  // metres
};

struct Eye {
    Point position;           // inside the walls
    Point ahead{1.0f, 0.0f};  // where it looks, of length 1
};

// Apples must not overlap: the farther ones are drawn first.
struct Surroundings {
    float half_side = 5.0f;  // metres: the walls stand at x and y = +- half_side
    const Point* apples = nullptr;
    std::size_t num_apples = 0;
};

// Where the picture goes, C order; null: not wanted.
struct Picture {
    std::uint8_t* rgb = nullptr;           // [height][width][3]
    float* depth = nullptr;                // [height][width], metres along the viewing direction
    std::uint8_t* segmentation = nullptr;  // [height][width], PixelClass
};

class Renderer {
  public:
    Renderer(std::uint32_t width, std::uint32_t height);

    // Writes every pixel of `picture`. Not const: the tables below are filled anew.
    void draw(const Eye& eye, const Surroundings& surroundings, const Picture& picture);

  private:
    // An apple as the eye sees it: metres to the right, down and ahead.
    struct Sphere {
        float right, down, ahead;
        float distance_squared;
    };
    struct Span {
        int first, last;  // the last is not part of it
    };

    void cast_walls(const Eye& eye, float half_side);
    void draw_row(const Eye& eye, float half_side, int row, const Picture& picture);
    void paint_row(const Eye& eye, float half_side, float slope, std::uint8_t* rgb);
    void find_spheres(const Eye& eye, const Surroundings& surroundings);
    Span visible_span(float sideways, float ahead, int num_pixels) const;
    void draw_sphere(const Eye& eye, const Sphere& sphere, const Picture& picture) const;

    int width_;
    int height_;
    float focal_;  // pixels

    std::vector<float> column_slopes_;             // metres to the right for each metre ahead
    std::vector<float> wall_depths_;               // of each column
    std::vector<std::uint32_t> wall_colours_;      // of each column, as 0x00BBGGRR
    std::vector<std::uint32_t> skirting_colours_;  // as wall_colours_
    std::vector<std::uint32_t> line_;              // one row of the picture, as wall_colours_
    std::vector<Sphere> spheres_;                  // the farthest first
};

}  // namespace uerl_sim

#endif
