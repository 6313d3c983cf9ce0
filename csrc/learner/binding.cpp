// binding.cpp: uerl_shm._core. Translates between Python and the learner; decides nothing.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>

#include "batches.hpp"
#include "core/lock.h"
#include "observer.hpp"
#include "python_error.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace uerl {

namespace {

template <typename Entry>
void set_name(Entry& entry, const std::string& name) {
    if (name.size() >= UERL_NAME_BYTES)
        throw Error(UERL_E_INVALID, "name '" + name + "' has " + std::to_string(name.size()) +
                                        " bytes, expected at most " +
                                        std::to_string(UERL_NAME_BYTES - 1) + ": shorten it");
    std::memcpy(entry.name, name.data(), name.size());
}

// (group, role, name, dtype, shape)
uerl_field field_from(const py::handle& item) {
    const auto parts = py::cast<py::tuple>(item);
    uerl_field field{};
    field.group = parts[0].cast<uint32_t>();
    field.role = parts[1].cast<uint32_t>();
    set_name(field, parts[2].cast<std::string>());
    field.dtype = uerl_dtype_of(py::dtype::from_args(py::object(parts[3])));
    const auto shape = parts[4].cast<std::vector<uint64_t>>();
    field.num_dims = static_cast<uint32_t>(shape.size());
    if (shape.size() > UERL_MAX_DIMS)
        throw Error(UERL_E_INVALID, std::string("field ") + field.name + " has " +
                                        std::to_string(shape.size()) + " axes, expected at most " +
                                        std::to_string(UERL_MAX_DIMS));
    std::copy(shape.begin(), shape.end(), field.shape);
    return field;
}

// What decides the layout of a segment: the learner makes it of this, and so does segment_bytes().
Config layout_from(uint32_t num_lanes, uint32_t envs_per_lane, uint32_t slots,
                   uint32_t autoreset_mode, uint32_t message_bytes, const py::list& groups,
                   const py::list& fields, const py::bytes& text) {
    Config config;
    config.text = std::string(text);
    config.header.num_lanes = num_lanes;
    config.header.envs_per_lane = envs_per_lane;
    config.header.num_slots = slots;
    config.header.autoreset_mode = autoreset_mode;
    config.header.message_bytes = message_bytes;
    for (const py::handle item : groups) {
        const auto parts = py::cast<py::tuple>(item);
        uerl_group group{};
        set_name(group, parts[0].cast<std::string>());
        group.rows_per_env = parts[1].cast<uint32_t>();
        config.groups.push_back(group);
    }
    for (const py::handle item : fields) config.fields.push_back(field_from(item));
    return config;
}

std::unique_ptr<Batches> make_learner(const std::string& name, uint32_t mode, int64_t gid,
                                      uint32_t num_lanes, uint32_t envs_per_lane, uint32_t slots,
                                      uint32_t autoreset_mode, uint32_t message_bytes,
                                      const py::list& groups, const py::list& fields,
                                      const py::bytes& text, const py::list& action_checks,
                                      bool wide_rewards, bool writable, bool copy, bool any_order,
                                      bool masks, double step_deadline_s, uint32_t min_valid,
                                      uint32_t max_steps, py::object on_event) {
    return translated([&] {
        Config config = layout_from(num_lanes, envs_per_lane, slots, autoreset_mode, message_bytes,
                                    groups, fields, text);
        config.name = name;
        config.mode = static_cast<mode_t>(mode);
        config.gid = static_cast<gid_t>(gid);
        config.any_order = any_order;
        config.masks = masks;
        if (step_deadline_s < 9e9)
            config.step_deadline_ns = static_cast<int64_t>(step_deadline_s * 1e9);
        std::vector<ActionCheck> checks;
        for (const py::handle item : action_checks) {
            const auto parts = py::cast<py::tuple>(item);
            checks.push_back({parts[0].cast<bool>(), parts[1].cast<std::vector<int64_t>>(),
                              parts[2].cast<std::vector<int64_t>>()});
        }
        return std::make_unique<Batches>(
            std::move(config),
            BatchOptions{wide_rewards, writable, copy, masks, min_valid, max_steps},
            std::move(checks), std::move(on_event));
    });
}

py::dict stats_of(Batches& batches) {
    Learner& learner = batches.learner();
    const Stats& stats = learner.stats;
    return py::dict("steps"_a = stats.steps, "batches"_a = stats.batches,
                    "copied_batches"_a = stats.copied_batches,
                    "gathered_rows"_a = stats.gathered_rows, "copied_rows"_a = stats.copied_rows,
                    "superseded"_a = stats.superseded, "discarded"_a = stats.discarded,
                    "violations"_a = stats.violations,
                    "dropped_messages"_a = stats.dropped_messages, "late"_a = stats.late,
                    "lost"_a = stats.lost, "wait_s"_a = static_cast<double>(stats.wait_ns) * 1e-9,
                    "held_slots"_a = learner.memory()->slots.num_held());
}

py::list fields_as_dicts(const uerl_segment& segment) {
    py::list list;
    for (uint32_t i = 0; i < segment.header.num_fields; i++) {
        const uerl_field& field = segment.fields[i];
        py::tuple shape(field.num_dims);
        for (uint32_t axis = 0; axis < field.num_dims; axis++) shape[axis] = field.shape[axis];
        list.append(py::dict("name"_a = field.name, "group"_a = field.group, "role"_a = field.role,
                             "dtype"_a = uerl_dtype_name(field.dtype), "shape"_a = shape,
                             "offset"_a = field.offset, "row_stride"_a = field.row_stride,
                             "slot_stride"_a = field.slot_stride,
                             "num_rows"_a = segment.groups[field.group].num_rows));
    }
    return list;
}

void define_steps(py::class_<Batches>& learner) {
    learner
        .def(py::init(&make_learner), py::kw_only(), "name"_a, "mode"_a, "gid"_a, "num_lanes"_a,
             "envs_per_lane"_a, "slots"_a, "autoreset_mode"_a, "message_bytes"_a, "groups"_a,
             "fields"_a, "text"_a, "action_checks"_a, "wide_rewards"_a, "writable"_a, "copy"_a,
             "any_order"_a = false, "masks"_a = false, "step_deadline_s"_a = 1e9, "min_valid"_a = 0,
             "max_steps"_a = 0, "on_event"_a = py::none())
        .def("step", &Batches::step, "actions"_a, "timeout_s"_a)
        .def("send", &Batches::send, "actions"_a, "env_ids"_a)
        .def("recv", &Batches::recv, "min_envs"_a, "max_envs"_a, "timeout_s"_a)
        .def("send_part", &Batches::send_part, "actions"_a, "first_lane"_a, "num_lanes"_a)
        .def("recv_part", &Batches::recv_part, "first_lane"_a, "num_lanes"_a, "timeout_s"_a)
        .def("elapsed_steps", &Batches::elapsed_steps, "group"_a)
        .def("post", &Batches::post, "lane"_a, "data"_a)
        .def("take_messages", &Batches::take_messages)
        .def("annotate", &Batches::annotate, "field"_a, "values"_a)
        .def(
            "set_lease_event",
            [](Batches& self, py::object make) { self.lease_events().set(std::move(make)); },
            "make"_a)
        .def("settle_leases", [](Batches& self) { self.lease_events().settle(); })
        .def("num_unsettled", [](Batches& self) { return self.lease_events().num_waiting(); })
        .def("reset", &Batches::reset, "mask"_a, "seeds"_a, "options"_a, "timeout_s"_a)
        .def("send_reset", &Batches::send_reset, "mask"_a, "seeds"_a, "options"_a, "timeout_s"_a)
        .def("send_skip", &Batches::send_skip)
        .def("recv_skip", &Batches::recv_skip, "timeout_s"_a)
        .def("current", &Batches::current);
}

void define_learner(py::module_& module) {
    py::class_<Batches> learner(module, "Learner");
    define_steps(learner);
    learner.def("begin_rollout", &Batches::begin_rollout, "num_steps"_a)
        .def("rollout_arrays", &Batches::rollout_arrays)
        .def("rollout_done", &Batches::rollout_done)
        .def("end_rollout", &Batches::end_rollout)
        .def("set_parameter",
             [](Batches& self, uint32_t index, const std::vector<double>& values) {
                 for (uint32_t env = 0; env < self.learner().num_envs(); env++)
                     self.learner().set_parameter(index, env, values.at(env));
             })
        .def("look_for_simulators",
             [](Batches& self) { return self.learner().look_for_simulators(); })
        .def("attached",
             [](Batches& self) {
                 std::vector<bool> attached;
                 for (uint32_t lane = 0; lane < self.learner().num_lanes(); lane++)
                     attached.push_back(self.learner().lane(lane).generation != 0);
                 return attached;
             })
        .def("lane_state",
             [](Batches& self, uint32_t lane) { return self.learner().lane_state(lane); })
        .def("lane_locked",
             [](Batches& self, uint32_t lane) { return self.learner().lane_locked(lane); })
        .def("message_of",
             [](Batches& self, uint32_t lane) { return self.learner().message_of(lane); })
        .def("pending", [](Batches& self, uint32_t lane) { return self.learner().pending(lane); })
        .def("look_for_returns", [](Batches& self) { self.learner().look_for_returns(); })
        .def("rows_served", [](Batches& self) { return self.learner().num_rows_served(); })
        .def("fence", [](Batches& self, uint32_t lane) { return self.learner().fence(lane); })
        .def("has_successor",
             [](Batches& self, uint32_t lane) { return self.learner().has_successor(lane); })
        .def("stats", &stats_of)
        .def("fields", [](Batches& self) { return fields_as_dicts(self.learner().segment()); })
        .def_property_readonly("segment_bytes",
                               [](Batches& self) { return self.learner().segment().bytes; })
        .def_property_readonly(
            "address",
            [](Batches& self) {
                return reinterpret_cast<uintptr_t>(self.learner().segment().base);
            })
        .def("close", [](Batches& self) { self.learner().close(); });
}

py::dict lane_as_dict(Observer& self, uint32_t lane) {
    if (lane >= self.segment().header.num_lanes) throw py::index_error("lane out of range");
    const uerl_lane_commands commands = self.commands_now(lane);
    const uerl_lane_results results = self.results_now(lane);
    return py::dict("lane"_a = lane, "locked"_a = self.lane_locked(lane), "state"_a = results.state,
                    "generation"_a = results.generation, "commands"_a = commands.write_index,
                    "commands_read"_a = results.read_index, "results"_a = results.write_index,
                    "results_read"_a = commands.read_index, "fence"_a = commands.fence,
                    "late"_a = commands.late, "num_late"_a = commands.num_late,
                    "num_lost"_a = commands.num_lost, "slot"_a = commands.slot,
                    "steps"_a = results.steps, "alive"_a = results.alive,
                    "progress"_a = results.progress,
                    "wait_s"_a = static_cast<double>(results.wait_ns) * 1e-9);
}

py::dict header_as_dict(Observer& self) {
    const uerl_header& fixed = self.segment().header;
    const uerl_header now = self.header_now();
    return py::dict("name"_a = self.segment().name, "layout_version"_a = fixed.layout_version,
                    "layout_hash"_a = fixed.layout_hash, "run_id"_a = fixed.run_id,
                    "segment_bytes"_a = fixed.segment_bytes, "file_bytes"_a = self.segment().bytes,
                    "num_lanes"_a = fixed.num_lanes, "envs_per_lane"_a = fixed.envs_per_lane,
                    "num_slots"_a = fixed.num_slots, "autoreset_mode"_a = fixed.autoreset_mode,
                    "message_bytes"_a = fixed.message_bytes, "owner_alive"_a = self.owner_alive(),
                    "closed"_a = now.closed != 0, "slot"_a = now.slot, "progress"_a = now.progress,
                    "steps"_a = now.steps, "batches"_a = now.batches,
                    "wait_s"_a = static_cast<double>(now.wait_ns) * 1e-9,
                    "copied_batches"_a = now.copied_batches, "gathered_rows"_a = now.gathered_rows,
                    "copied_rows"_a = now.copied_rows, "superseded"_a = now.superseded,
                    "discarded"_a = now.discarded, "violations"_a = now.violations,
                    "dropped_messages"_a = now.dropped_messages, "held_slots"_a = now.held_slots);
}

py::object observed_rows(Observer& self, uint32_t index, uint32_t slot, uint32_t row,
                         uint32_t count) {
    const uerl_segment& segment = self.segment();
    if (index >= segment.header.num_fields || slot >= segment.header.num_slots)
        throw py::index_error("field or slot out of range");
    const uerl_field& field = segment.fields[index];
    const uint32_t num_rows = segment.groups[field.group].num_rows;
    if (row > num_rows || count > num_rows - row) throw py::index_error("row out of range");
    std::vector<py::ssize_t> shape{count};
    for (uint32_t axis = 0; axis < field.num_dims; axis++)
        shape.push_back(static_cast<py::ssize_t>(field.shape[axis]));
    py::array copy(numpy_dtype(field.dtype), shape);
    if (!self.copy_rows(index, slot, row, count, static_cast<uint8_t*>(copy.mutable_data())))
        return py::none();
    return copy;
}

void define_observer(py::module_& module) {
    py::class_<Observer>(module, "Observer")
        .def(py::init([](const std::string& name) {
                 return translated([&] { return std::make_unique<Observer>(name); });
             }),
             "name"_a)
        .def("header", &header_as_dict)
        .def("lane", &lane_as_dict, "lane"_a)
        .def("fields", [](Observer& self) { return fields_as_dicts(self.segment()); })
        .def("groups",
             [](Observer& self) {
                 py::list list;
                 for (uint32_t i = 0; i < self.segment().header.num_groups; i++) {
                     const uerl_group& group = self.segment().groups[i];
                     list.append(py::make_tuple(group.name, group.rows_per_env, group.num_rows));
                 }
                 return list;
             })
        .def("text", [](Observer& self) { return py::bytes(self.text()); })
        .def("begin_recording", [](Observer& self) { translated([&] { self.begin_recording(); }); })
        .def(
            "acknowledge",
            [](Observer& self, uint64_t deliveries) {
                translated([&] { self.acknowledge(deliveries); });
            },
            "deliveries"_a)
        .def("rows", &observed_rows, "field"_a, "slot"_a, "row"_a, "count"_a)
        .def_property_readonly("num_torn", &Observer::num_torn);
}

}  // namespace

}  // namespace uerl

PYBIND11_MODULE(_core, module) {
    module.doc() = "The learner's side of a segment, and observers.";
    uerl::define_learner(module);
    uerl::define_observer(module);
    module.def("check_name", [](const std::string& name) {
        uerl::translated([&] {
            const int error = uerl_segment_check_name(name.c_str());
            if (error != UERL_OK) throw uerl::Error(error, uerl_last_error());
        });
    });
    module.def("clean", [](const std::string& name) {
        uerl::translated([&] {
            const int error = uerl_segment_clean(name.c_str());
            if (error != UERL_OK) throw uerl::Error(error, uerl_last_error());
        });
    });
    module.def(
        "segment_bytes",
        [](uint32_t num_lanes, uint32_t envs_per_lane, uint32_t slots, uint32_t autoreset_mode,
           uint32_t message_bytes, const py::list& groups, const py::list& fields,
           const py::bytes& text) {
            return uerl::translated([&] {
                uerl::Config config =
                    uerl::layout_from(num_lanes, envs_per_lane, slots, autoreset_mode,
                                      message_bytes, groups, fields, text);
                uerl::lay_out(config);
                return config.header.segment_bytes;
            });
        },
        py::kw_only(), "num_lanes"_a, "envs_per_lane"_a, "slots"_a, "autoreset_mode"_a,
        "message_bytes"_a, "groups"_a, "fields"_a, "text"_a);
    module.def("num_cores", &uerl_num_cores);
    module.attr("LAYOUT_VERSION") = UERL_LAYOUT_VERSION;
    module.attr("ROLES") =
        py::dict("observation"_a = int(UERL_ROLE_OBSERVATION),
                 "final_observation"_a = int(UERL_ROLE_FINAL_OBSERVATION),
                 "reward"_a = int(UERL_ROLE_REWARD), "terminated"_a = int(UERL_ROLE_TERMINATED),
                 "truncated"_a = int(UERL_ROLE_TRUNCATED), "mask"_a = int(UERL_ROLE_MASK),
                 "info"_a = int(UERL_ROLE_INFO), "final_info"_a = int(UERL_ROLE_FINAL_INFO),
                 "action"_a = int(UERL_ROLE_ACTION), "control"_a = int(UERL_ROLE_CONTROL),
                 "seed"_a = int(UERL_ROLE_SEED), "parameter"_a = int(UERL_ROLE_PARAMETER),
                 "annotation"_a = int(UERL_ROLE_ANNOTATION));
}
