// fields.hpp: the segment's fields as NumPy sees them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "learner.hpp"

namespace uerl {

namespace py = pybind11;

// NumPy dtype of an enum uerl_dtype, and back (0: none).
py::dtype numpy_dtype(uint32_t dtype);
uint32_t uerl_dtype_of(const py::dtype& dtype);

// One field with what arrays over it need; made once.
struct FieldView {
    uint32_t index;
    uint32_t group;
    uint32_t role;
    py::str key;       // its name behind the slash: the key in a dict
    py::str mask_key;  // the same with "_" before it: the key of its mask
    py::dtype dtype;
    std::vector<py::ssize_t> shape;  // of one row
    uint64_t row_bytes;
    std::vector<py::ssize_t> batch_shape;  // of the last batch: its rows, then `shape`

    // Shape with leading axes before the row's own.
    std::vector<py::ssize_t> with_axes(std::initializer_list<py::ssize_t> leading) const;
};

std::vector<FieldView> fields_of(const uerl_segment& segment, uint32_t role);

// A new array of its own in C order. Goes straight to NumPy: this is on the path of every step.
py::array new_array(const py::dtype& dtype, const std::vector<py::ssize_t>& shape);
py::array new_array(const py::dtype& dtype, py::ssize_t count);

// An array over memory that `base` keeps alive; Python may not write to it unless `writable`.
py::array view_of(const FieldView& field, const std::vector<py::ssize_t>& shape, uint8_t* data,
                  const py::object& base, bool writable);

// What a batch's arrays have as base: the slots are free again when it dies, and, where a GPU
// copies from them on its own time, when it has read them.
struct Lease {
    std::shared_ptr<Memory> memory;
    std::vector<Run> runs;
};

// Who may still read the memory of leases that ended. Needs Python's interpreter lock throughout.
class LeaseEvents {
  public:
    LeaseEvents() = default;
    ~LeaseEvents() { settle(); }
    LeaseEvents(const LeaseEvents&) = delete;
    LeaseEvents& operator=(const LeaseEvents&) = delete;

    // make: called as a lease ends; returns what has query(), true when everything that was
    // submitted before is done, and synchronize(), which waits for it. None: leases end at once.
    void set(py::object make) { make_ = std::move(make); }
    void end(Lease lease);
    void poll();  // frees what is done
    // Waits for all, frees it, and asks nobody any more.
    void settle();
    size_t num_waiting() const { return waiting_.size(); }

  private:
    struct Waiting {
        py::object event;  // none: nobody knows when
        Lease lease;
    };

    py::object make_ = py::none();
    std::vector<Waiting> waiting_;
};

py::capsule make_lease(std::shared_ptr<Memory> memory, std::shared_ptr<LeaseEvents> events,
                       std::vector<Run> runs);

}  // namespace uerl
