// renderer.cpp: walls are cast once for each column, the floor once for each row, so that the loop
// over the pixels only compares and selects; then each apple is traced within its own rectangle.
#include "renderer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace uerl_sim {
namespace {

struct Colour {
    float red, green, blue;  // 0 to 255
};

constexpr Colour kApple{224.0f, 28.0f, 34.0f};
constexpr Colour kSkyLow{206.0f, 226.0f, 244.0f};
constexpr Colour kSkyHigh{92.0f, 152.0f, 226.0f};
constexpr Colour kFloor{172.0f, 166.0f, 150.0f};
constexpr float kFloorContrast = 0.14f;
constexpr float kTile = 1.0f;  // metres, on the floor and along the walls

// One for each side, so that a robot that sees no apple still sees where it looks.
constexpr Colour kWalls[4] = {
    {214.0f, 186.0f, 92.0f},   // east, yellow
    {72.0f, 116.0f, 196.0f},   // north, blue
    {150.0f, 112.0f, 186.0f},  // west, violet
    {96.0f, 160.0f, 104.0f},   // south, green
};
constexpr float kPanelShade = 0.84f;
constexpr float kSkirtingShade = 0.55f;
constexpr float kSkirtingHeight = 0.15f;  // metres

// What is this far away has half of its brightness.
constexpr float kHalfBrightness = 16.0f;  // metres

// Where the sun stands: east, north, up; of length 1.
constexpr float kSun[3] = {0.36f, 0.48f, 0.80f};
constexpr float kAmbient = 0.6f;

float brightness(float depth) { return kHalfBrightness / (kHalfBrightness + depth); }

std::uint32_t packed(const Colour& colour, float shade) {
    const auto red = static_cast<std::uint32_t>(colour.red * shade);
    const auto green = static_cast<std::uint32_t>(colour.green * shade);
    const auto blue = static_cast<std::uint32_t>(colour.blue * shade);
    return red | green << 8 | blue << 16;
}

Colour sky_colour(float slope) {
    const float steepness = -slope / (1.0f - slope);  // 0 at the horizon, below 1
    return {kSkyLow.red + (kSkyHigh.red - kSkyLow.red) * steepness,
            kSkyLow.green + (kSkyHigh.green - kSkyLow.green) * steepness,
            kSkyLow.blue + (kSkyHigh.blue - kSkyLow.blue) * steepness};
}

Point right_of(const Point& ahead) { return {ahead.y, -ahead.x}; }

// Metres down for each metre ahead.
float row_slope(int row, int height, float focal) {
    return (static_cast<float>(row) + 0.5f - 0.5f * static_cast<float>(height)) / focal;
}

// `rgb` has 3 * num_pixels bytes. Four bytes are stored at a time where the next pixel overwrites
// the fourth: not at the end of the row, which may be the end of the learner's memory.
void store_rgb(const std::uint32_t* line, int num_pixels, std::uint8_t* rgb) {
    for (int column = 0; column + 1 < num_pixels; ++column)
        std::memcpy(rgb + 3 * column, line + column, 4);
    std::memcpy(rgb + 3 * (num_pixels - 1), line + num_pixels - 1, 3);
}

}  // namespace

Renderer::Renderer(std::uint32_t width, std::uint32_t height)
    : width_(static_cast<int>(width)),
      height_(static_cast<int>(height)),
      focal_(0.5f * static_cast<float>(width)),
      column_slopes_(width),
      wall_depths_(width),
      wall_colours_(width),
      skirting_colours_(width),
      line_(width) {
    for (int column = 0; column < width_; ++column)
        column_slopes_[column] = (static_cast<float>(column) + 0.5f - focal_) / focal_;
}

void Renderer::draw(const Eye& eye, const Surroundings& surroundings, const Picture& picture) {
    cast_walls(eye, surroundings.half_side);
    for (int row = 0; row < height_; ++row) draw_row(eye, surroundings.half_side, row, picture);
    find_spheres(eye, surroundings);
    for (const Sphere& sphere : spheres_) draw_sphere(eye, sphere, picture);
}

void Renderer::cast_walls(const Eye& eye, float half_side) {
    const Point right = right_of(eye.ahead);
    for (int column = 0; column < width_; ++column) {
        const float dx = eye.ahead.x + column_slopes_[column] * right.x;
        const float dy = eye.ahead.y + column_slopes_[column] * right.y;
        const float to_x =
            (dx < 0.0f ? half_side + eye.position.x : half_side - eye.position.x) / std::fabs(dx);
        const float to_y =
            (dy < 0.0f ? half_side + eye.position.y : half_side - eye.position.y) / std::fabs(dy);
        const bool along_y = to_x < to_y;  // it meets the east or the west wall, which runs along y
        const float depth = along_y ? to_x : to_y;
        const int side = along_y ? (dx < 0.0f ? 2 : 0) : (dy < 0.0f ? 3 : 1);
        const float along = along_y ? eye.position.y + depth * dy : eye.position.x + depth * dx;
        const bool dark = static_cast<int>((along + half_side + kTile) / kTile) & 1;
        const float shade = brightness(depth) * (dark ? kPanelShade : 1.0f);
        wall_depths_[column] = depth;
        wall_colours_[column] = packed(kWalls[side], shade);
        skirting_colours_[column] = packed(kWalls[side], shade * kSkirtingShade);
    }
}

// What a pixel shows is said by `drop`, how far below the eye its ray meets the wall of its column:
// above the wall's top it passes over it (sky), below the wall's foot it met the floor before.
void Renderer::draw_row(const Eye& eye, float half_side, int row, const Picture& picture) {
    const float slope = row_slope(row, height_, focal_);
    const std::size_t first = static_cast<std::size_t>(row) * width_;
    if (picture.rgb) paint_row(eye, half_side, slope, picture.rgb + 3 * first);
    if (picture.depth) {
        const float floor_depth = slope > 0.0f ? kEyeHeight / slope : kSkyDepth;
        for (int column = 0; column < width_; ++column) {
            const float wall_depth = wall_depths_[column];
            const float drop = slope * wall_depth;
            const float below_top = drop > kEyeHeight ? floor_depth : wall_depth;
            picture.depth[first + column] = drop < kEyeHeight - kWallHeight ? kSkyDepth : below_top;
        }
    }
    if (picture.segmentation) {
        for (int column = 0; column < width_; ++column) {
            const float drop = slope * wall_depths_[column];
            const PixelClass below_top = drop > kEyeHeight ? PixelClass::floor : PixelClass::wall;
            picture.segmentation[first + column] = static_cast<std::uint8_t>(
                drop < kEyeHeight - kWallHeight ? PixelClass::sky : below_top);
        }
    }
}

void Renderer::paint_row(const Eye& eye, float half_side, float slope, std::uint8_t* rgb) {
    const float* depths = wall_depths_.data();
    const std::uint32_t* wall = wall_colours_.data();
    std::uint32_t* line = line_.data();
    if (slope <= 0.0f) {
        const std::uint32_t sky = packed(sky_colour(slope), 1.0f);
        for (int column = 0; column < width_; ++column)
            line[column] = slope * depths[column] < kEyeHeight - kWallHeight ? sky : wall[column];
        store_rgb(line, width_, rgb);
        return;
    }
    const float depth = kEyeHeight / slope;
    // Tiles that are smaller than a pixel would flicker: their contrast fades with their size.
    const float tiles = depth * depth / (kEyeHeight * focal_ * kTile);
    const float contrast = kFloorContrast / (1.0f + tiles * tiles);
    const std::uint32_t light = packed(kFloor, brightness(depth) * (1.0f + contrast));
    const std::uint32_t dark = packed(kFloor, brightness(depth) * (1.0f - contrast));
    const Point right = right_of(eye.ahead);
    // From the south-west corner, so that conversion to integers rounds down wherever floor shows.
    const float x = (eye.position.x + depth * eye.ahead.x + half_side) / kTile;
    const float y = (eye.position.y + depth * eye.ahead.y + half_side) / kTile;
    const float x_slope = depth * right.x / kTile;
    const float y_slope = depth * right.y / kTile;
    const float* slopes = column_slopes_.data();
    const std::uint32_t* skirting = skirting_colours_.data();
    for (int column = 0; column < width_; ++column) {
        const auto tile_x = static_cast<std::int32_t>(x + x_slope * slopes[column]);
        const auto tile_y = static_cast<std::int32_t>(y + y_slope * slopes[column]);
        const std::uint32_t floor = (tile_x ^ tile_y) & 1 ? light : dark;
        const float drop = slope * depths[column];
        const std::uint32_t upright =
            drop > kEyeHeight - kSkirtingHeight ? skirting[column] : wall[column];
        line[column] = drop > kEyeHeight ? floor : upright;
    }
    store_rgb(line, width_, rgb);
}

void Renderer::find_spheres(const Eye& eye, const Surroundings& surroundings) {
    const Point right = right_of(eye.ahead);
    spheres_.clear();
    for (std::size_t i = 0; i < surroundings.num_apples; ++i) {
        const float x = surroundings.apples[i].x - eye.position.x;
        const float y = surroundings.apples[i].y - eye.position.y;
        Sphere sphere{};
        sphere.right = x * right.x + y * right.y;
        sphere.down = kEyeHeight - kAppleRadius;
        sphere.ahead = x * eye.ahead.x + y * eye.ahead.y;
        sphere.distance_squared = x * x + y * y + sphere.down * sphere.down;
        const bool outside = sphere.distance_squared > kAppleRadius * kAppleRadius;
        if (outside && sphere.ahead > -kAppleRadius) spheres_.push_back(sphere);
    }
    std::sort(spheres_.begin(), spheres_.end(), [](const Sphere& a, const Sphere& b) {
        return a.distance_squared > b.distance_squared;
    });
}

// The pixels of one axis on which a sphere can show: between the two planes through the eye that
// touch it. All, where it reaches behind the camera.
Renderer::Span Renderer::visible_span(float sideways, float ahead, int num_pixels) const {
    const float squared = ahead * ahead - kAppleRadius * kAppleRadius;
    if (ahead <= kAppleRadius || squared < 1e-3f) return {0, num_pixels};
    const float middle = sideways * ahead;
    const float half = kAppleRadius * std::sqrt(sideways * sideways + squared);
    const float centre = 0.5f * static_cast<float>(num_pixels);
    const auto limit = static_cast<float>(num_pixels);
    // One pixel more on each side than exact numbers would need.
    const float first = (middle - half) / squared * focal_ + centre - 1.5f;
    const float last = (middle + half) / squared * focal_ + centre + 1.5f;
    return {static_cast<int>(std::clamp(first, 0.0f, limit)),
            static_cast<int>(std::clamp(last, 0.0f, limit))};
}

void Renderer::draw_sphere(const Eye& eye, const Sphere& sphere, const Picture& picture) const {
    const Point right = right_of(eye.ahead);
    const float sun_right = kSun[0] * right.x + kSun[1] * right.y;
    const float sun_ahead = kSun[0] * eye.ahead.x + kSun[1] * eye.ahead.y;
    const float sun_down = -kSun[2];
    const float beyond = sphere.distance_squared - kAppleRadius * kAppleRadius;
    const Span rows = visible_span(sphere.down, sphere.ahead, height_);
    const Span columns = visible_span(sphere.right, sphere.ahead, width_);
    for (int row = rows.first; row < rows.last; ++row) {
        const float down = row_slope(row, height_, focal_);
        for (int column = columns.first; column < columns.last; ++column) {
            // The ray is (slope, down, 1) times depth: a quadratic equation for the depth.
            const float slope = column_slopes_[column];
            const float length_squared = slope * slope + down * down + 1.0f;
            const float towards = slope * sphere.right + down * sphere.down + sphere.ahead;
            const float discriminant = towards * towards - length_squared * beyond;
            if (towards <= 0.0f || discriminant <= 0.0f) continue;
            const float depth = (towards - std::sqrt(discriminant)) / length_squared;
            const std::size_t pixel = static_cast<std::size_t>(row) * width_ + column;
            if (picture.rgb) {
                const float facing_sun = (depth * slope - sphere.right) * sun_right +
                                         (depth * down - sphere.down) * sun_down +
                                         (depth - sphere.ahead) * sun_ahead;
                const float sunlight = std::max(0.0f, facing_sun / kAppleRadius);
                const float shade = kAmbient + (1.0f - kAmbient) * sunlight;
                const std::uint32_t colour = packed(kApple, shade * brightness(depth));
                std::memcpy(picture.rgb + 3 * pixel, &colour, 3);
            }
            if (picture.depth) picture.depth[pixel] = depth;
            if (picture.segmentation)
                picture.segmentation[pixel] = static_cast<std::uint8_t>(PixelClass::apple);
        }
    }
}

}  // namespace uerl_sim
