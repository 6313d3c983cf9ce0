// apples.cpp: where things are placed, how the robot moves, and the scene of uerl-sim.
#include "apples.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace uerl_sim {
namespace {

constexpr int kPlaceTries = 256;  // then an apple lies where chance has put it
constexpr double kMinSide = 6.0;  // metres
constexpr double kMaxSide = 50.0;
constexpr double kSpacePerApple = 3.0;  // square metres, so that a free place is soon found
constexpr std::int64_t kMaxEpisodeSteps = 1000000000;

double squared_distance(const Point& a, const Point& b) {
    const double dx = static_cast<double>(a.x) - b.x;
    const double dy = static_cast<double>(a.y) - b.y;
    return dx * dx + dy * dy;
}

Point random_point(Random& random, double half_side) {
    const double x = random.uniform(-half_side, half_side);
    const double y = random.uniform(-half_side, half_side);
    return {static_cast<float>(x), static_cast<float>(y)};
}

double parameter(const Reset& reset, std::size_t index, double otherwise) {
    return index < reset.parameters.size() ? reset.parameters[index] : otherwise;
}

}  // namespace

ApplesWorld::ApplesWorld(const ApplesOptions& options)
    : options_(options), renderer_(options.frame.width, options.frame.height) {}

void ApplesWorld::reset(Random& random, const Reset& reset) {
    const double side = clamped(parameter(reset, 1, kArenaSide), kMinSide, kMaxSide);
    const double room = side - 2.0 * kWallMargin;
    const double most = std::floor(room * room / kSpacePerApple);
    half_side_ = static_cast<float>(0.5 * side);
    batch_ = static_cast<std::size_t>(clamped(parameter(reset, 0, kNumApples), 1.0, most));
    num_steps_ = 0;
    outcome_ = Outcome{};
    place_robot(random);
    place_apples(random);
}

void ApplesWorld::place_robot(Random& random) {
    robot_.position = random_point(random, half_side_ - kWallMargin);
    // A direction without sines, whose last bits differ between C libraries: a point of the unit
    // disc, pushed out to its rim.
    double x = 0.0;
    double y = 0.0;
    double squared = 0.0;
    do {
        x = random.uniform(-1.0, 1.0);
        y = random.uniform(-1.0, 1.0);
        squared = x * x + y * y;
    } while (squared > 1.0 || squared < 0.01);
    const double length = std::sqrt(squared);
    robot_.ahead = {static_cast<float>(x / length), static_cast<float>(y / length)};
}

void ApplesWorld::place_apples(Random& random) {
    apples_.clear();
    while (apples_.size() < batch_) {
        Point point = random_point(random, half_side_ - kWallMargin);
        for (int tries = 1; tries < kPlaceTries && !is_free(point); ++tries)
            point = random_point(random, half_side_ - kWallMargin);
        apples_.push_back(point);
    }
}

bool ApplesWorld::is_free(const Point& point) const {
    if (squared_distance(point, robot_.position) < kStartDistance * kStartDistance) return false;
    return std::none_of(apples_.begin(), apples_.end(), [&point](const Point& apple) {
        return squared_distance(point, apple) < kAppleDistance * kAppleDistance;
    });
}

void ApplesWorld::step(Random& random, const Rows& rows) {
    const float* action = rows.action<float>(0, 0);
    advance(random, action[0], action[1]);
}

void ApplesWorld::advance(Random& random, double move, double turn) {
    turn_by(clamped(turn, -1.0, 1.0) * kMaxTurn);
    const double distance = clamped(move, -1.0, 1.0) * kMaxMove;
    // A wall takes away the part of the motion that goes into it: the robot slides along.
    const double reach = half_side_ - kRobotRadius;
    const double x = robot_.position.x + distance * robot_.ahead.x;
    const double y = robot_.position.y + distance * robot_.ahead.y;
    robot_.position = {static_cast<float>(std::clamp(x, -reach, reach)),
                       static_cast<float>(std::clamp(y, -reach, reach))};
    outcome_.reward = static_cast<double>(collect());
    if (apples_.empty()) place_apples(random);
    num_steps_ += 1;
    outcome_.truncated = num_steps_ >= options_.episode_steps;
}

// Turns to the right. Powers instead of sines, for the same reason as in place_robot(): at most
// kMaxTurn they are exact to 1e-8, and the length is set right in any case.
void ApplesWorld::turn_by(double radians) {
    const double squared = radians * radians;
    const double sine =
        radians * (1.0 - squared / 6.0 * (1.0 - squared / 20.0 * (1.0 - squared / 42.0)));
    const double cosine = 1.0 - squared / 2.0 * (1.0 - squared / 12.0 * (1.0 - squared / 30.0));
    const double x = cosine * robot_.ahead.x + sine * robot_.ahead.y;
    const double y = cosine * robot_.ahead.y - sine * robot_.ahead.x;
    const double length = std::sqrt(x * x + y * y);
    robot_.ahead = {static_cast<float>(x / length), static_cast<float>(y / length)};
}

std::size_t ApplesWorld::collect() {
    const auto is_reached = [this](const Point& apple) {
        return squared_distance(apple, robot_.position) < kCollectDistance * kCollectDistance;
    };
    const auto left = std::remove_if(apples_.begin(), apples_.end(), is_reached);
    const auto num_collected = static_cast<std::size_t>(apples_.end() - left);
    apples_.erase(left, apples_.end());
    return num_collected;
}

void ApplesWorld::observe(const Rows& rows) const {
    Picture picture;
    std::size_t array = 0;
    picture.rgb = rows.observation<std::uint8_t>(0, array++);
    if (options_.depth) picture.depth = rows.observation<float>(0, array++);
    if (options_.segmentation) picture.segmentation = rows.observation<std::uint8_t>(0, array++);
    renderer_.draw(robot_, {half_side_, apples_.data(), apples_.size()}, picture);
}

Outcome ApplesWorld::outcome(std::size_t, std::size_t) const { return outcome_; }

void ApplesWorld::put(const Eye& robot, const std::vector<Point>& apples) {
    robot_ = robot;
    apples_ = apples;
}

namespace {

class Apples : public Scene {
  public:
    std::string name() const override { return "apples"; }
    std::string summary() const override { return "a robot collects apples that its camera shows"; }
    std::string example() const override { return "uerl-sim apples --frame 84x84 --depth"; }

    std::vector<OptionSpec> options() const override {
        return {
            {"--frame", "WxH", "size of the cameras in pixels (42x42)"},
            {"--depth", "", "adds the array depth: float32, metres"},
            {"--segmentation", "", "adds the array segmentation: 0 sky, 1 floor, 2 wall, 3 apple"},
            {"--episode-steps", "N", "steps after which an episode is truncated (350)"},
        };
    }

    void set_option(const std::string& name, const std::string& value) override {
        if (name == "--frame")
            options_.frame = parse_frame(name, value);
        else if (name == "--depth")
            options_.depth = true;
        else if (name == "--segmentation")
            options_.segmentation = true;
        else if (name == "--episode-steps")
            options_.episode_steps = parse_integer(name, value, 1, kMaxEpisodeSteps);
    }

    Spec spec() const override {
        const std::uint64_t height = options_.frame.height;
        const std::uint64_t width = options_.frame.width;
        GroupSpec group;
        group.name = "agent";
        group.observation = {box("camera", UERL_DTYPE_UINT8, {height, width, 3}, 0, 255)};
        if (options_.depth)
            group.observation.push_back(
                box("depth", UERL_DTYPE_FLOAT32, {height, width}, 0, kSkyDepth));
        if (options_.segmentation)
            group.observation.push_back(
                box("segmentation", UERL_DTYPE_UINT8, {height, width}, 0, kNumPixelClasses - 1));
        group.action = {box("move", UERL_DTYPE_FLOAT32, {2}, -1, 1)};
        Spec spec;
        spec.name = name();
        spec.groups = {group};
        spec.parameters = {{"num_apples", ApplesWorld::kNumApples},
                           {"arena_side_m", ApplesWorld::kArenaSide}};
        spec.render = "camera";
        return spec;
    }

    std::unique_ptr<World> make_world(const Place&) const override {
        return std::make_unique<ApplesWorld>(options_);
    }

  private:
    ApplesOptions options_;
};

}  // namespace

std::unique_ptr<Scene> make_apples() { return std::make_unique<Apples>(); }

}  // namespace uerl_sim
