// main.cpp: walks through the operations named on the command line, kills and stops their process
// in every state, and says what the others made of it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <set>

#include "core/wait.h"
#include "operations.hpp"

namespace
{

const Operation kOperations[] = {
    {"create", make_create, std::nullopt},   {"attach", make_attach, std::nullopt},
    {"publish", make_publish, std::nullopt}, {"collect", make_collect, Fate::stopped},
    {"detach", make_detach, std::nullopt},   {"takeover", make_takeover, std::nullopt},
};

constexpr uint64_t kFurthest = 1000; // instructions after a place that is come to at full speed

struct Options {
    uint32_t num_others = 20;       // instructions after which nothing shared has changed
    uint32_t num_rows = UINT32_MAX; // states that differ in a row alone, at most
    bool only_until_broken = false;
};

// A place to kill or stop at: after `num_changes` changes and then `more` instructions; or at the
// begin or end of a system call.
struct Place {
    uint64_t num_changes, more, system_call = 0;
};

struct Change {
    uint64_t at;     // instruction after which it was seen
    uint32_t what;   // of enum Changed
    uint64_t offset; // of the first byte that changed, if any did
    bool first;      // had that byte not changed before?
};

struct Walk {
    uint64_t num_instructions = 0;
    std::vector<Change> changes;
    uint64_t num_calls = 0; // begins and ends of system calls
};

struct Counts {
    uint64_t killed = 0, stopped = 0, broken = 0;
    uint64_t missed = 0; // places that were not met again
    std::string first;
};

// An experiment, and afterwards the end of the names that it left.
class Made
{
  public:
    explicit Made(std::unique_ptr<Experiment> experiment)
        : name_(experiment->name()), experiment_(std::move(experiment))
    {
    }
    ~Made()
    {
        experiment_.reset();
        for (const std::string &temporary : temporary_names(name_))
            remove((UERL_SHM_DIRECTORY "/" + temporary).c_str());
        remove((UERL_SHM_DIRECTORY "/" + name_).c_str());
    }
    Made(const Made &) = delete;
    Made &operator=(const Made &) = delete;
    Experiment &operator*() const
    {
        return *experiment_;
    }
    Experiment *operator->() const
    {
        return experiment_.get();
    }

  private:
    std::string name_;
    std::unique_ptr<Experiment> experiment_;
};

// What is done for the first time in a process takes more instructions: here it is done already,
// and victims are forks.
void warm_up(const Operation &operation)
{
    const Made experiment(operation.make(Fate::killed));
    experiment->victim().kill();
    experiment->after_death();
}

void walk(const Operation &operation, Fate fate, Walk &found)
{
    std::set<uint64_t> stored;
    const Made experiment(operation.make(fate));
    SharedState state(experiment->name());
    Victim &victim = experiment->victim();
    while (victim.step()) {
        found.num_instructions = victim.num_steps;
        const uint32_t changed = state.look();
        if (changed == kNothing)
            continue;
        const uint64_t offset = state.first_changed();
        const bool bytes = (changed & (kRows | kWords)) != 0;
        found.changes.push_back(
            {victim.num_steps, changed, offset, bytes && stored.insert(offset).second});
        experiment->check(state);
    }
    const Made other(operation.make(fate));
    while (other->victim().run_to_system_call())
        found.num_calls++;
}

// To the last change up to `most` that can be come to at full speed; says which.
bool hurry_to(Experiment &experiment, const Walk &walk, uint64_t most, uint64_t &number)
{
    Victim &victim = experiment.victim();
    const std::string path = UERL_SHM_DIRECTORY "/" + experiment.name();
    for (number = most; number > 0; number--)
        if (walk.changes[number - 1].first)
            return victim.run_to_change(path, walk.changes[number - 1].offset);
    // Names and locks change in system calls alone.
    SharedState state(experiment.name());
    while (number < most) {
        if (!victim.run_to_system_call())
            return false;
        number += state.look() != kNothing;
    }
    return true;
}

// Brings a new victim to a place; false: this time it was not met, as the clock stands in a word.
bool walk_to(Experiment &experiment, const Walk &walk, const Place &place, bool hurries)
{
    Victim &victim = experiment.victim();
    uint64_t num_changes = 0;
    for (uint64_t i = 0; i < place.system_call; i++)
        if (!victim.run_to_system_call())
            return false;
    if (hurries && !hurry_to(experiment, walk, place.num_changes, num_changes))
        return false;
    SharedState state(experiment.name());
    while (num_changes < place.num_changes) {
        if (!victim.step())
            return false;
        num_changes += state.look() != kNothing;
    }
    for (uint64_t i = 0; i < place.more; i++)
        if (!victim.step())
            return false;
    return true;
}

// At most `most` of them, evenly spread, the last one included.
template <typename T> std::vector<T> spread(const std::vector<T> &all, uint64_t most)
{
    std::vector<T> chosen;
    const uint64_t count = std::min<uint64_t>(all.size(), most);
    for (uint64_t i = 1; i <= count; i++)
        chosen.push_back(all[all.size() * i / count - 1]);
    return chosen;
}

// Every state with another word, name or lock; system calls; states that differ in rows; other
// instructions.
std::vector<Place> places_of(const Walk &walk, bool dense, const Options &options)
{
    std::vector<Place> words = {{0, 0}}, rows, others;
    uint64_t number = 0, at = 0;
    const auto add_others = [&](uint64_t end) {
        for (uint64_t more = 1; more < std::min(end - at, kFurthest); more++)
            others.push_back({number, more});
    };
    for (const Change &change : walk.changes) {
        add_others(change.at);
        (change.what == kRows ? rows : words).push_back({++number, 0});
        at = change.at;
    }
    add_others(walk.num_instructions);
    for (uint64_t call = 1; call <= walk.num_calls; call++) {
        words.push_back({0, 0, call});
        for (uint64_t more = 1; more < kFurthest && !dense; more++)
            others.push_back({0, more, call});
    }
    for (const Place &place : spread(rows, options.num_rows))
        words.push_back(place);
    for (const Place &place : spread(others, (dense ? 10 : 1) * options.num_others))
        words.push_back(place);
    return words;
}

std::string place_text(const Place &place, Fate fate)
{
    const std::string what = fate == Fate::killed ? "killed " : "stopped ";
    const std::string more = std::to_string(place.more) + " instructions";
    if (place.system_call > 0)
        return what + more + " after " + (place.system_call % 2 ? "the begin" : "the end") +
               " of system call " + std::to_string((place.system_call + 1) / 2);
    return what + more + " after change " + std::to_string(place.num_changes);
}

// False: the place was not met.
bool run(const Operation &operation, const Walk &walk, const Place &place, Fate fate, bool hurries)
{
    const Made experiment(operation.make(fate));
    if (!walk_to(*experiment, walk, place, hurries))
        return false;
    if (fate == Fate::stopped) {
        experiment->while_it_stands();
        return true;
    }
    experiment->victim().kill();
    experiment->after_death();
    return true;
}

void run_counted(const Operation &operation, const Walk &walk, const Place &place, Fate fate,
                 Counts &counts)
{
    try {
        if (!run(operation, walk, place, fate, true) && !run(operation, walk, place, fate, false)) {
            counts.missed++;
            return;
        }
    } catch (const std::exception &broken) {
        counts.broken++;
        if (counts.first.empty())
            counts.first = place_text(place, fate) + ": " + broken.what();
    }
    (fate == Fate::killed ? counts.killed : counts.stopped)++;
}

Walk run_all(const Operation &operation, Fate fate, const Options &options, Counts &counts)
{
    Walk found;
    try {
        walk(operation, fate, found);
    } catch (const std::exception &broken) {
        counts.broken++;
        counts.first = std::string("while it was walked through: ") + broken.what();
    }
    for (const Place &place : places_of(found, operation.dense == fate, options))
        if (counts.broken == 0 || !options.only_until_broken)
            run_counted(operation, found, place, fate, counts);
    return found;
}

bool report(const Operation &operation, const Options &options)
{
    const int64_t start_ns = uerl_now_ns();
    Counts counts;
    warm_up(operation);
    const Walk found = run_all(operation, Fate::killed, options, counts);
    run_all(operation, Fate::stopped, options, counts);
    printf("operation=%s instructions=%llu states=%zu killed=%llu stopped=%llu broken=%llu "
           "missed=%llu seconds=%.1f first=%s\n",
           operation.name, static_cast<unsigned long long>(found.num_instructions),
           found.changes.size() + 1, static_cast<unsigned long long>(counts.killed),
           static_cast<unsigned long long>(counts.stopped),
           static_cast<unsigned long long>(counts.broken),
           static_cast<unsigned long long>(counts.missed),
           static_cast<double>(uerl_now_ns() - start_ns) * 1e-9, counts.first.c_str());
    return counts.broken == 0;
}

// The walker and whom it walks take turns: one processor, and no wake-up between two.
void stay_on_one_processor()
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    sched_setaffinity(0, sizeof one, &one);
}

} // namespace

int main(int argc, char **argv)
{
    Options options;
    std::set<std::string> only;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--until-broken") == 0)
            options.only_until_broken = true;
        else if (strcmp(argv[i], "--rows") == 0 && i + 1 < argc)
            options.num_rows = static_cast<uint32_t>(atoi(argv[++i]));
        else if (strcmp(argv[i], "--others") == 0 && i + 1 < argc)
            options.num_others = static_cast<uint32_t>(atoi(argv[++i]));
        else
            only.insert(argv[i]);
    }
    stay_on_one_processor();
    std::string reason;
    if (!can_step(reason)) {
        fprintf(stderr, "single steps are not allowed here: %s\n", reason.c_str());
        return 77;
    }
    bool good = true;
    for (const Operation &operation : kOperations)
        if (only.empty() || only.count(operation.name) > 0)
            good = report(operation, options) && good;
    return good ? 0 : 1;
}
