// python_error.hpp: from an Error of the learner to the exception in uerl_shm/errors.py.
#pragma once

#include <pybind11/pybind11.h>

#include "learner.hpp"

namespace uerl {

// Raises the exception of uerl_shm.errors that belongs to `error`, with its lanes in `.lanes`.
[[noreturn]] inline void raise_python(const Error& error) {
    namespace py = pybind11;
    const py::object exception =
        py::module_::import("uerl_shm.errors").attr("error_from_code")(error.code, error.what());
    py::list lanes;
    for (const uint32_t lane : error.lanes) lanes.append(lane);
    py::setattr(exception, "lanes", lanes);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
    throw py::error_already_set();
}

// Calls and translates: every entry from Python goes through it.
template <typename Call>
auto translated(Call&& call) -> decltype(call()) {
    try {
        return call();
    } catch (const Error& error) {
        raise_python(error);
    }
}

}  // namespace uerl
