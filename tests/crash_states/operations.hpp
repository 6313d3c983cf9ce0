// operations.hpp: the six operations, each with a set-up and with what must hold afterwards.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "shared_state.hpp"
#include "stepper.hpp"

// One set-up, made anew for every run. Its victim stands just before the operation.
class Experiment
{
  public:
    virtual ~Experiment() = default;

    virtual Victim &victim() = 0;
    virtual const std::string &name() const = 0; // of the segment
    // At every state, while the victim lives.
    virtual void check(const SharedState &)
    {
    }
    // The victim was killed: everybody else goes on.
    virtual void after_death() = 0;
    // The victim stands still but lives: everybody else goes on, and then it does, too.
    virtual void while_it_stands() = 0;
};

enum class Fate { killed, stopped };

struct Operation {
    const char *name;
    std::function<std::unique_ptr<Experiment>(Fate)> make;
    std::optional<Fate> dense; // ten times as many others: what matters is in the victim's memory
};

std::unique_ptr<Experiment> make_create(Fate fate);
std::unique_ptr<Experiment> make_attach(Fate fate);
std::unique_ptr<Experiment> make_publish(Fate fate);
std::unique_ptr<Experiment> make_collect(Fate fate);
std::unique_ptr<Experiment> make_detach(Fate fate);
std::unique_ptr<Experiment> make_takeover(Fate fate);
