// fields.cpp: the segment's fields as NumPy sees them, and the leases under them.
#include "fields.hpp"

#include <cstring>
#include <iterator>

namespace uerl {

namespace {

// What a capsule holds.
struct Held {
    Lease lease;
    std::shared_ptr<LeaseEvents> events;
};

void release(const Lease& lease) {
    for (const Run& run : lease.runs)
        lease.memory->slots.release(run.slot, run.first_lane, run.num_lanes);
}

void end_lease(void* pointer) {
    const std::unique_ptr<Held> held(static_cast<Held*>(pointer));
    held->events->end(std::move(held->lease));
}

constexpr uint32_t kLastDtype = UERL_DTYPE_COMPLEX128;

}  // namespace

py::dtype numpy_dtype(uint32_t dtype) { return py::dtype(uerl_dtype_name(dtype)); }

uint32_t uerl_dtype_of(const py::dtype& dtype) {
    for (uint32_t code = 1; code <= kLastDtype; code++)
        if (numpy_dtype(code).equal(dtype)) return code;
    return 0;
}

std::vector<py::ssize_t> FieldView::with_axes(std::initializer_list<py::ssize_t> leading) const {
    std::vector<py::ssize_t> all(leading);
    all.insert(all.end(), shape.begin(), shape.end());
    return all;
}

std::vector<FieldView> fields_of(const uerl_segment& segment, uint32_t role) {
    std::vector<FieldView> views;
    for (uint32_t i = 0; i < segment.header.num_fields; i++) {
        const uerl_field& field = segment.fields[i];
        if (field.role != role) continue;
        const std::string name = field.name;
        const std::string key = name.substr(name.find('/') + 1);
        views.push_back({i,
                         field.group,
                         role,
                         py::str(key),
                         py::str("_" + key),
                         numpy_dtype(field.dtype),
                         {},
                         field.row_stride,
                         {}});
        for (uint32_t axis = 0; axis < field.num_dims; axis++)
            views.back().shape.push_back(static_cast<py::ssize_t>(field.shape[axis]));
        views.back().batch_shape = views.back().with_axes({0});
    }
    return views;
}

namespace {

// data null: NumPy allocates. Steals nothing; `dtype` stays the caller's.
py::array make_array(const py::dtype& dtype, size_t num_axes, const py::ssize_t* shape, void* data,
                     int flags) {
    const py::detail::npy_api& numpy = py::detail::npy_api::get();
    static_assert(sizeof(Py_intptr_t) == sizeof(py::ssize_t), "NumPy's axes are ssize_t");
    PyObject* array = numpy.PyArray_NewFromDescr_(
        numpy.PyArray_Type_, dtype.inc_ref().ptr(), static_cast<int>(num_axes),
        reinterpret_cast<const Py_intptr_t*>(shape), nullptr, data, flags, nullptr);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

}  // namespace

py::array new_array(const py::dtype& dtype, const std::vector<py::ssize_t>& shape) {
    return make_array(dtype, shape.size(), shape.data(), nullptr, 0);
}

py::array new_array(const py::dtype& dtype, py::ssize_t count) {
    return make_array(dtype, 1, &count, nullptr, 0);
}

py::array view_of(const FieldView& field, const std::vector<py::ssize_t>& shape, uint8_t* data,
                  const py::object& base, bool writable) {
    using Api = py::detail::npy_api;
    const int flags = Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_ |
                      (writable ? Api::NPY_ARRAY_WRITEABLE_ : 0);
    py::array array = make_array(field.dtype, shape.size(), shape.data(), data, flags);
    Api::get().PyArray_SetBaseObject_(array.ptr(), base.inc_ref().ptr());
    return array;
}

void LeaseEvents::end(Lease lease) {
    if (make_.is_none()) {
        release(lease);
        return;
    }
    const py::error_scope scope;  // leases also end while an error is under way
    py::object event = py::none();
    try {
        event = make_();
    } catch (py::error_already_set& error) {
        error.discard_as_unraisable("the end of a batch");  // its memory stays held, to be safe
    }
    waiting_.push_back({std::move(event), std::move(lease)});
}

// Asking runs Python, and so may end other leases, which are added to waiting_ meanwhile.
void LeaseEvents::poll() {
    if (waiting_.empty()) return;
    std::vector<Waiting> asked;
    asked.swap(waiting_);
    size_t next = 0;
    try {
        for (; next < asked.size(); next++) {
            Waiting& one = asked[next];
            if (!one.event.is_none() && one.event.attr("query")().cast<bool>())
                release(one.lease);
            else
                waiting_.push_back(std::move(one));
        }
    } catch (...) {
        std::move(asked.begin() + static_cast<ptrdiff_t>(next), asked.end(),
                  std::back_inserter(waiting_));
        throw;
    }
}

void LeaseEvents::settle() {
    make_ = py::none();
    std::vector<Waiting> last;
    last.swap(waiting_);
    const py::error_scope scope;
    for (const Waiting& one : last) {
        try {
            if (!one.event.is_none()) one.event.attr("synchronize")();
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("waiting for copies of a batch");
        }
        release(one.lease);
    }
}

py::capsule make_lease(std::shared_ptr<Memory> memory, std::shared_ptr<LeaseEvents> events,
                       std::vector<Run> runs) {
    auto held =
        std::make_unique<Held>(Held{{std::move(memory), std::move(runs)}, std::move(events)});
    for (const Run& run : held->lease.runs)
        held->lease.memory->slots.hold(run.slot, run.first_lane, run.num_lanes);
    py::capsule capsule(held.get(), &end_lease);
    held.release();
    return capsule;
}

}  // namespace uerl
