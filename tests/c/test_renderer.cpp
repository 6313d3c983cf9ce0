// The pictures of renderer.hpp against what geometry says must be in them.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "renderer.hpp"
#include "rng.hpp"

using namespace uerl_sim;

namespace {

constexpr std::size_t kGuard = 64;  // elements around an array that must not change
constexpr Point kNorth{0.0f, 1.0f}, kEast{1.0f, 0.0f}, kSouth{0.0f, -1.0f}, kWest{-1.0f, 0.0f};

// One picture with a guard on each side of each array.
struct Shot {
    int width, height;
    std::vector<std::uint8_t> rgb, segmentation;
    std::vector<float> depth;

    Shot(int w, int h) : width(w), height(h) {
        const std::size_t pixels = static_cast<std::size_t>(w) * h;
        rgb.assign(3 * pixels + 2 * kGuard, 0xab);
        segmentation.assign(pixels + 2 * kGuard, 0xab);
        depth.assign(pixels + 2 * kGuard, -7.0f);
    }
    Picture picture() {
        return {rgb.data() + kGuard, depth.data() + kGuard, segmentation.data() + kGuard};
    }
    std::size_t pixel(int row, int column) const {
        return static_cast<std::size_t>(row) * width + column;
    }
    const std::uint8_t *colour(int row, int column) const {
        return rgb.data() + kGuard + 3 * pixel(row, column);
    }
    float depth_at(int row, int column) const { return depth[kGuard + pixel(row, column)]; }
    PixelClass class_at(int row, int column) const {
        return static_cast<PixelClass>(segmentation[kGuard + pixel(row, column)]);
    }
    int brightness_at(int row, int column) const {
        const std::uint8_t *c = colour(row, column);
        return c[0] + c[1] + c[2];
    }
};

Shot shot_of(int width, int height, const Eye &eye, const std::vector<Point> &apples,
             float half_side = 5.0f) {
    Shot shot(width, height);
    Renderer renderer(width, height);
    renderer.draw(eye, {half_side, apples.data(), apples.size()}, shot.picture());
    return shot;
}

// Where the apples of a picture are.
struct Apples {
    int num_pixels = 0, num_red = 0;
    int left = 1 << 20, right = -1, top = 1 << 20, bottom = -1;
};

Apples apples_in(const Shot &shot) {
    Apples found;
    for (int row = 0; row < shot.height; ++row) {
        for (int column = 0; column < shot.width; ++column) {
            const std::uint8_t *c = shot.colour(row, column);
            found.num_red += c[0] > 2 * c[1] && c[0] > 2 * c[2];
            if (shot.class_at(row, column) != PixelClass::apple)
                continue;
            found.num_pixels += 1;
            found.left = column < found.left ? column : found.left;
            found.right = column > found.right ? column : found.right;
            found.top = row < found.top ? row : found.top;
            found.bottom = row > found.bottom ? row : found.bottom;
        }
    }
    return found;
}

// Half of the angle that an apple's silhouette fills sideways, as a slope.
double silhouette_slope(double distance) {
    return kAppleRadius / std::sqrt(distance * distance - kAppleRadius * kAppleRadius);
}

struct Hit {
    PixelClass what = PixelClass::sky;
    double depth = kSkyDepth;
};

double sphere_depth(const double (&origin)[3], const double (&ray)[3], const Point &apple) {
    const double centre[3] = {apple.x, apple.y, kAppleRadius};
    double a = 0, b = 0, c = -static_cast<double>(kAppleRadius) * kAppleRadius;
    for (int i = 0; i < 3; ++i) {
        a += ray[i] * ray[i];
        b += ray[i] * (origin[i] - centre[i]);
        c += (origin[i] - centre[i]) * (origin[i] - centre[i]);
    }
    return b * b > a * c ? (-b - std::sqrt(b * b - a * c)) / a : -1.0;
}

// The plainest ray tracer there is: every surface is tried, the nearest hit wins.
Hit trace(const Eye &eye, const std::vector<Point> &apples, double half, double right,
          double down) {
    const double origin[3] = {eye.position.x, eye.position.y, kEyeHeight};
    const double ray[3] = {eye.ahead.x + right * eye.ahead.y, eye.ahead.y - right * eye.ahead.x,
                           -down};
    Hit hit;
    const auto offer = [&hit](PixelClass what, double depth) {
        if (depth > 0.0 && depth < hit.depth)
            hit = {what, depth};
    };
    offer(PixelClass::floor, -origin[2] / ray[2]);
    for (int axis = 0; axis < 2; ++axis) {
        for (const double wall : {-half, half}) {
            const double depth = (wall - origin[axis]) / ray[axis];
            const double along = origin[1 - axis] + depth * ray[1 - axis];
            const double height = origin[2] + depth * ray[2];
            if (std::fabs(along) <= half && height >= 0.0 && height <= kWallHeight)
                offer(PixelClass::wall, depth);
        }
    }
    for (const Point &apple : apples)
        offer(PixelClass::apple, sphere_depth(origin, ray, apple));
    return hit;
}

}  // namespace

TEST(picture_agrees_with_a_plain_ray_tracer) {
    Random random(1);
    int num_pixels = 0, num_other_class = 0, num_other_depth = 0;
    const int sizes[][2] = {{42, 42}, {61, 33}, {17, 50}, {84, 84}, {1, 9}};
    for (int scene = 0; scene < 200; ++scene) {
        const int width = sizes[scene % 5][0], height = sizes[scene % 5][1];
        const double half = random.uniform(3.0, 12.0);
        const double angle = random.uniform(0.0, 6.283185307);
        const Eye eye{{float(random.uniform(-half + 0.25, half - 0.25)),
                       float(random.uniform(-half + 0.25, half - 0.25))},
                      {float(std::cos(angle)), float(std::sin(angle))}};
        std::vector<Point> apples;
        for (int i = -2; i < 3; ++i)  // in a grid, so that no two touch
            apples.push_back({0.9f * float(i), float(random.uniform(-half + 0.5, half - 0.5))});
        const Shot shot = shot_of(width, height, eye, apples, float(half));
        for (int row = 0; row < height; ++row) {
            for (int column = 0; column < width; ++column) {
                const double focal = 0.5 * width;
                const Hit hit = trace(eye, apples, half, (column + 0.5 - focal) / focal,
                                      (row + 0.5 - 0.5 * height) / focal);
                num_pixels += 1;
                num_other_class += shot.class_at(row, column) != hit.what;
                num_other_depth +=
                    std::fabs(shot.depth_at(row, column) - hit.depth) > 0.002 * hit.depth;
            }
        }
    }
    // Where a ray grazes an edge, float32 and double may disagree.
    CHECK(num_pixels > 400000);
    CHECK(num_other_class < num_pixels / 5000);
    CHECK(num_other_depth < num_pixels / 5000);
}

TEST(apple_straight_ahead_is_red_in_the_middle_column_and_below_the_horizon) {
    const Shot shot = shot_of(42, 42, {{0, 0}, kNorth}, {{0, 2}});
    const Apples found = apples_in(shot);
    CHECK(found.num_pixels > 12);
    CHECK_EQUAL(found.num_red, found.num_pixels);
    CHECK_EQUAL(found.left + found.right, 41);
    CHECK(found.top > 20);
    const int centre_row = static_cast<int>(21 + 21 * (kEyeHeight - kAppleRadius) / 2);
    CHECK(shot.class_at(centre_row, 20) == PixelClass::apple);
    CHECK(shot.class_at(centre_row, 21) == PixelClass::apple);
}

TEST(apple_has_the_width_and_the_depth_of_its_distance) {
    for (const float distance : {1.0f, 2.0f, 4.0f}) {
        const Shot shot = shot_of(401, 401, {{0, -3}, kNorth}, {{0, distance - 3}});
        const Apples found = apples_in(shot);
        const double down = kEyeHeight - kAppleRadius;
        const double eye_to_centre = std::sqrt(distance * distance + down * down);
        const double slope = silhouette_slope(eye_to_centre) * eye_to_centre / distance;
        CHECK_NEAR(found.right - found.left + 1, 401 * slope, 2.0);
        const int row = static_cast<int>(200.5 + 200.5 * down / distance);
        const double expected = distance * (1 - kAppleRadius / eye_to_centre);
        CHECK_NEAR(shot.depth_at(row, 200), expected, 0.003 * distance);
    }
}

TEST(apple_to_the_left_appears_left_and_one_to_the_right_appears_right) {
    const Point aheads[] = {kNorth, kEast, kSouth, kWest, {0.6f, 0.8f}};
    for (const Point ahead : aheads) {
        const Point left{2 * ahead.x - ahead.y, 2 * ahead.y + ahead.x};
        const Point right{2 * ahead.x + ahead.y, 2 * ahead.y - ahead.x};
        const Apples at_left = apples_in(shot_of(42, 42, {{0, 0}, ahead}, {left}));
        const Apples at_right = apples_in(shot_of(42, 42, {{0, 0}, ahead}, {right}));
        CHECK(at_left.num_pixels > 6);
        CHECK(at_right.num_pixels > 6);
        CHECK(at_left.right < 20);
        CHECK(at_right.left > 21);
    }
}

TEST(apple_behind_is_not_drawn_and_one_beside_fills_the_edge) {
    CHECK_EQUAL(apples_in(shot_of(42, 42, {{0, 0}, kNorth}, {{0, -2}})).num_pixels, 0);
    CHECK_EQUAL(apples_in(shot_of(42, 42, {{0, 0}, kNorth}, {{2, -0.1f}})).num_pixels, 0);
    // Its centre is nearer to the plane of the camera than its radius.
    const Apples beside = apples_in(shot_of(42, 42, {{0, 0}, kNorth}, {{0.35f, 0.2f}}));
    CHECK(beside.num_pixels > 20);
    CHECK_EQUAL(beside.right, 41);
    CHECK(beside.left > 21);
}

TEST(nearer_apple_hides_the_farther_one_in_either_order) {
    const Eye eye{{0, -2}, kNorth};
    const Shot near = shot_of(84, 84, eye, {{0, 0}});
    const Shot both = shot_of(84, 84, eye, {{0, 0}, {0.25f, 3}});
    const Shot turned = shot_of(84, 84, eye, {{0.25f, 3}, {0, 0}});
    CHECK(both.rgb == turned.rgb);
    CHECK(both.depth == turned.depth);
    CHECK(apples_in(both).num_pixels > apples_in(near).num_pixels);  // the farther one looks out
    for (int row = 0; row < 84; ++row) {
        for (int column = 0; column < 84; ++column) {
            if (near.class_at(row, column) != PixelClass::apple)
                continue;
            CHECK_NEAR(both.depth_at(row, column), near.depth_at(row, column), 0);
            CHECK(!std::memcmp(both.colour(row, column), near.colour(row, column), 3));
        }
    }
}

TEST(wall_has_its_distance_in_every_column_of_the_middle_row) {
    const Point aheads[] = {kNorth, kEast, kSouth, kWest};
    const double distances[] = {5.0 - 1.0, 5.0 - 2.0, 5.0 + 1.0, 5.0 + 2.0};
    for (int side = 0; side < 4; ++side) {
        const Shot shot = shot_of(43, 43, {{2, 1}, aheads[side]}, {});
        for (int column = 18; column < 25; ++column) {
            CHECK(shot.class_at(21, column) == PixelClass::wall);
            CHECK_NEAR(shot.depth_at(21, column), distances[side], 1e-4);
        }
    }
    // Into a corner: depth is measured along the view, not along the ray.
    const float half = std::sqrt(0.5f);
    const Shot corner = shot_of(43, 43, {{1, 1}, {half, half}}, {});
    CHECK_NEAR(corner.depth_at(21, 21), 4 * std::sqrt(2.0), 1e-4);
}

TEST(horizon_is_the_middle_row_and_walls_span_the_rows_of_their_height) {
    const Shot shot = shot_of(400, 300, {{0, 0}, kEast}, {});
    const double top = 150 - 200 * (kWallHeight - kEyeHeight) / 5.0;
    const double foot = 150 + 200 * kEyeHeight / 5.0;
    for (int row = 0; row < 300; ++row) {
        const double middle = row + 0.5;
        const PixelClass expected = middle < top    ? PixelClass::sky
                                    : middle > foot ? PixelClass::floor
                                                    : PixelClass::wall;
        CHECK(shot.class_at(row, 200) == expected);
        if (expected == PixelClass::sky)
            CHECK_NEAR(shot.depth_at(row, 200), kSkyDepth, 0);
        if (expected == PixelClass::floor)
            CHECK_NEAR(shot.depth_at(row, 200), 200 * kEyeHeight / (middle - 150), 1e-3);
    }
}

TEST(each_side_has_a_colour_of_its_own_and_stands_where_the_compass_says) {
    const auto north = shot_of(43, 43, {{0, 0}, kNorth}, {});
    const auto south = shot_of(43, 43, {{0, 0}, kSouth}, {});
    const auto west = shot_of(43, 43, {{0, 0}, kWest}, {});
    const float half = std::sqrt(0.5f);
    const auto corner = shot_of(43, 43, {{0, 0}, {half, half}}, {});  // north-east
    const std::uint8_t *n = north.colour(21, 21), *s = south.colour(21, 21);
    const std::uint8_t *w = west.colour(21, 21);
    CHECK(n[2] > n[1] && n[1] > n[0]);  // blue
    CHECK(s[1] > s[0] && s[1] > s[2]);  // green
    CHECK(w[2] > w[0] && w[0] > w[1]);  // violet
    const std::uint8_t *left = corner.colour(21, 15), *right = corner.colour(21, 27);
    CHECK(left[2] > left[1] && left[1] > left[0]);      // north, blue
    CHECK(right[0] > right[1] && right[1] > right[2]);  // east, yellow
}

TEST(what_is_farther_away_is_darker) {
    const Shot near_wall = shot_of(43, 43, {{0, 2.5f}, kNorth}, {});
    const Shot far_wall = shot_of(43, 43, {{0, -3.5f}, kNorth}, {});
    CHECK(near_wall.brightness_at(21, 21) > far_wall.brightness_at(21, 21) * 5 / 4);
    const Shot apples = shot_of(840, 840, {{0, -4}, kNorth}, {{-0.3f, -3}, {0.6f, 2}});
    const auto row_of = [](float distance) { return int(420 + 420 * 0.25f / distance); };
    const int near_red = apples.colour(row_of(1), 420 - 420 * 3 / 10)[0];
    const int far_red = apples.colour(row_of(6), 420 + 420 / 10)[0];
    CHECK(near_red > far_red * 5 / 4);
}

TEST(apple_is_lit_from_above_and_more_with_the_sun_behind_the_eye) {
    const Shot lit = shot_of(401, 401, {{0.6f, 0.8f}, {-0.6f, -0.8f}}, {{0, 0}});
    const Shot backlit = shot_of(401, 401, {{-0.6f, -0.8f}, {0.6f, 0.8f}}, {{0, 0}});
    const Apples found = apples_in(lit);
    const int top_red = lit.colour(found.top + 20, 200)[0];
    const int bottom_red = lit.colour(found.bottom - 20, 200)[0];
    CHECK(top_red > bottom_red * 5 / 4);
    const int middle = (found.top + found.bottom) / 2;
    CHECK(lit.colour(middle, 200)[0] > backlit.colour(middle, 200)[0] * 5 / 4);
}

TEST(floor_is_checkered_so_that_motion_shows) {
    const Shot here = shot_of(84, 84, {{0.5f, 0.5f}, kNorth}, {});
    const Shot one_tile_on = shot_of(84, 84, {{0.5f, 1.5f}, kNorth}, {});
    const Shot two_tiles_on = shot_of(84, 84, {{0.5f, 2.5f}, kNorth}, {});
    for (int column = 30; column < 54; ++column) {
        const int row = 80;  // half a metre ahead
        CHECK(here.class_at(row, column) == PixelClass::floor);
        const int change = here.brightness_at(row, column) - one_tile_on.brightness_at(row, column);
        CHECK(change > 40 || change < -40);
        CHECK_EQUAL(here.brightness_at(row, column), two_tiles_on.brightness_at(row, column));
    }
}

TEST(every_size_is_filled_to_the_last_byte_and_not_beyond) {
    const int sizes[][2] = {{1, 1}, {1, 720}, {1280, 1}, {2, 3}, {43, 41}, {42, 42}, {1280, 720}};
    for (const auto &size : sizes) {
        const std::vector<Point> apples = {{0, 2}, {0.3f, 0.1f}, {-4, 4.7f}};
        const Shot shot = shot_of(size[0], size[1], {{0, 0}, {0.6f, 0.8f}}, apples);
        const std::size_t pixels = shot.pixel(size[1], 0);
        for (std::size_t i = 0; i < kGuard; ++i) {
            CHECK_EQUAL(shot.rgb[i], 0xab);
            CHECK_EQUAL(shot.rgb[kGuard + 3 * pixels + i], 0xab);
            CHECK_EQUAL(shot.segmentation[i], 0xab);
            CHECK_EQUAL(shot.segmentation[kGuard + pixels + i], 0xab);
            CHECK_NEAR(shot.depth[i], -7, 0);
            CHECK_NEAR(shot.depth[kGuard + pixels + i], -7, 0);
        }
        Shot other(size[0], size[1]);
        std::memset(other.rgb.data(), 0xcd, other.rgb.size());
        Renderer(size[0], size[1])
            .draw({{0, 0}, {0.6f, 0.8f}}, {5, apples.data(), 3}, other.picture());
        CHECK(!std::memcmp(other.rgb.data() + kGuard, shot.rgb.data() + kGuard, 3 * pixels));
        for (std::size_t i = 0; i < pixels; ++i) {
            CHECK(shot.segmentation[kGuard + i] < kNumPixelClasses);
            CHECK(shot.depth[kGuard + i] > 0 && shot.depth[kGuard + i] <= kSkyDepth);
        }
    }
}

TEST(picture_depends_on_nothing_drawn_before_nor_on_which_arrays_are_wanted) {
    const Eye eye{{1, -2}, {0.8f, -0.6f}};
    const std::vector<Point> apples = {{2, -3}, {3, -3.2f}};
    const Shot fresh = shot_of(42, 42, eye, apples);
    Shot used(42, 42), only_colour(42, 42);
    Renderer renderer(42, 42);
    const Point elsewhere{-3, 0.3f};
    renderer.draw({{-4, 0}, kEast}, {7, &elsewhere, 1}, used.picture());
    CHECK(apples_in(used).num_pixels > 6);
    renderer.draw(eye, {5, apples.data(), 2}, used.picture());
    CHECK(used.rgb == fresh.rgb);
    CHECK(used.depth == fresh.depth);
    CHECK(used.segmentation == fresh.segmentation);
    renderer.draw(eye, {5, apples.data(), 2}, {only_colour.picture().rgb, nullptr, nullptr});
    CHECK(only_colour.rgb == fresh.rgb);
}

int main() {
    RUN(picture_agrees_with_a_plain_ray_tracer);
    RUN(apple_straight_ahead_is_red_in_the_middle_column_and_below_the_horizon);
    RUN(apple_has_the_width_and_the_depth_of_its_distance);
    RUN(apple_to_the_left_appears_left_and_one_to_the_right_appears_right);
    RUN(apple_behind_is_not_drawn_and_one_beside_fills_the_edge);
    RUN(nearer_apple_hides_the_farther_one_in_either_order);
    RUN(wall_has_its_distance_in_every_column_of_the_middle_row);
    RUN(horizon_is_the_middle_row_and_walls_span_the_rows_of_their_height);
    RUN(each_side_has_a_colour_of_its_own_and_stands_where_the_compass_says);
    RUN(what_is_farther_away_is_darker);
    RUN(apple_is_lit_from_above_and_more_with_the_sun_behind_the_eye);
    RUN(floor_is_checkered_so_that_motion_shows);
    RUN(every_size_is_filled_to_the_last_byte_and_not_beyond);
    RUN(picture_depends_on_nothing_drawn_before_nor_on_which_arrays_are_wanted);
    return check_result();
}
