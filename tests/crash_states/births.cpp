// births.cpp: a learner makes its segment, where there was none and where a dead learner's is.
#include <unistd.h>

#include "frames.hpp"
#include "learner_experiment.hpp"
#include "operations.hpp"

namespace
{

class Birth : public LearnerExperiment
{
  public:
    explicit Birth(bool takes_over)
    {
        if (takes_over) {
            Victim owner([this](Marks &marks) {
                FrameLearner learner(config_of(name_));
                marks.begin();
            });
            owner.wait_for_begin();
            attach_all(Author::first);
            owner.kill();
        }
        victim_.emplace([this](Marks &marks) { live(marks); });
        victim_->wait_for_begin();
        takes_over_ = takes_over;
    }

    Victim &victim() override
    {
        return *victim_;
    }

    // While the victim lives, whatever has a name is whole, and its owner is the victim or dead.
    void check(const SharedState &state) override
    {
        expect(!takes_over_ || state.find(name_) != nullptr, "the name was gone");
        for (const Named &named : state.names()) {
            expect(named.complete(), named.name + " named a segment that was not complete");
            const bool is_old = takes_over_ && named.name == name_ && named.inode == old_inode();
            expect(is_old || named.locked(UERL_LOCK_OWNER),
                   named.name + " named a segment whose owner held no lock");
        }
    }

    void after_death() override
    {
        expect_recovery();
    }

    // Another learner wants the name. One of the two gets it.
    void while_it_stands() override
    {
        std::optional<FrameLearner> other;
        try {
            other.emplace(config_of(name_));
        } catch (const uerl::Error &error) {
            expect(error.code == UERL_E_EXISTS, error.what());
        }
        victim_->go_on();
        wait_until("the learner that stood still", [this] { return victim_->marks.ended != 0; });
        const int32_t error = victim_->marks.result;
        expect(error == (other ? UERL_E_EXISTS : UERL_OK),
               other ? "two living learners had one name" : "no learner got the name");
        victim_->kill();
        if (!other) {
            expect_recovery();
            return;
        }
        expect_successor(*other);
    }

  private:
    void live(Marks &marks)
    {
        const uerl::Config config = config_of(name_);
        std::optional<FrameLearner> learner;
        marks.begin();
        try {
            learner.emplace(config);
        } catch (const uerl::Error &error) {
            marks.result = error.code;
        }
        marks.end();
        for (;;)
            usleep(1000);
    }

    std::optional<Victim> victim_;
    bool takes_over_ = false;
};

} // namespace

std::unique_ptr<Experiment> make_create(Fate)
{
    return std::make_unique<Birth>(false);
}

std::unique_ptr<Experiment> make_takeover(Fate)
{
    return std::make_unique<Birth>(true);
}
