// apples.hpp: a robot in a walled square collects apples that only its camera shows (UERL's
// CollectApples). +1 for each apple, nothing else. A batch that is all collected is followed by a
// new one, so that a better policy always earns more; an episode ends by its step counter alone.
#ifndef UERL_SIM_APPLES_HPP
#define UERL_SIM_APPLES_HPP

#include <cstdint>
#include <vector>

#include "renderer.hpp"
#include "scene.hpp"

namespace uerl_sim {

struct ApplesOptions {
    FrameSize frame{42, 42};
    bool depth = false;
    bool segmentation = false;
    std::int64_t episode_steps = 350;
};

class ApplesWorld : public World {
  public:
    static constexpr double kMaxMove = 0.3;          // metres in one step
    static constexpr double kMaxTurn = 0.35;         // radians in one step
    static constexpr double kRobotRadius = 0.25;     // metres; as near as the walls let it come
    static constexpr double kCollectDistance = 0.5;  // metres, from its centre to an apple's
    static constexpr double kWallMargin = 1.0;       // metres, from a wall to an apple
    static constexpr double kAppleDistance = 0.8;    // metres, from apple to apple at least
    static constexpr double kStartDistance = 1.0;    // metres, from the robot to a new apple

    // In the order of the spec's parameters.
    static constexpr double kNumApples = 10;
    static constexpr double kArenaSide = 10.0;  // metres

    explicit ApplesWorld(const ApplesOptions& options);

    void reset(Random& random, const Reset& reset) override;
    void step(Random& random, const Rows& rows) override;
    void observe(const Rows& rows) const override;
    Outcome outcome(std::size_t group, std::size_t agent) const override;

    // One step: `move` -1 (back) to 1 (ahead), `turn` -1 (left) to 1 (right).
    void advance(Random& random, double move, double turn);

    // For tests, which know where things are.
    void put(const Eye& robot, const std::vector<Point>& apples);
    const Eye& robot() const { return robot_; }
    const std::vector<Point>& apples() const { return apples_; }
    float half_side() const { return half_side_; }

  private:
    void place_robot(Random& random);
    void place_apples(Random& random);
    bool is_free(const Point& point) const;
    void turn_by(double radians);
    std::size_t collect();

    ApplesOptions options_;
    mutable Renderer renderer_;  // its tables are memory to work in, not state of the world
    Eye robot_;
    std::vector<Point> apples_;  // those that are left
    float half_side_ = 0.0f;     // metres
    std::size_t batch_ = 0;      // apples in a new batch
    std::int64_t num_steps_ = 0;
    Outcome outcome_;
};

}  // namespace uerl_sim

#endif
