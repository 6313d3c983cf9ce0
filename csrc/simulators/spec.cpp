// spec.cpp: arrays of a scene: dtypes, sizes, and the JSON form of a spec.
#include <array>

#include "json.hpp"
#include "scene.hpp"

namespace uerl_sim {

namespace {

struct DtypeEntry {
    std::uint32_t dtype;
    const char* name;
    std::uint64_t bytes;
};

constexpr std::array<DtypeEntry, 14> dtypes{{
    {UERL_DTYPE_BOOL, "bool", 1},
    {UERL_DTYPE_INT8, "int8", 1},
    {UERL_DTYPE_UINT8, "uint8", 1},
    {UERL_DTYPE_INT16, "int16", 2},
    {UERL_DTYPE_UINT16, "uint16", 2},
    {UERL_DTYPE_INT32, "int32", 4},
    {UERL_DTYPE_UINT32, "uint32", 4},
    {UERL_DTYPE_INT64, "int64", 8},
    {UERL_DTYPE_UINT64, "uint64", 8},
    {UERL_DTYPE_FLOAT16, "float16", 2},
    {UERL_DTYPE_FLOAT32, "float32", 4},
    {UERL_DTYPE_FLOAT64, "float64", 8},
    {UERL_DTYPE_COMPLEX64, "complex64", 8},
    {UERL_DTYPE_COMPLEX128, "complex128", 16},
}};

const char* kind_name(Kind kind) {
    switch (kind) {
        case Kind::discrete:
            return "discrete";
        case Kind::multi_discrete:
            return "multi_discrete";
        case Kind::multi_binary:
            return "multi_binary";
        case Kind::box:
            break;
    }
    return "box";
}

// Writes values[next] and on as lists nested like `shape` from axis `axis` on.
template <typename T>
void write_nested(JsonWriter& json, const std::vector<std::uint64_t>& shape, std::size_t axis,
                  const std::vector<T>& values, std::size_t& next) {
    if (axis == shape.size()) {
        json.value(values.at(next++));
        return;
    }
    json.begin_array();
    for (std::uint64_t i = 0; i < shape[axis]; i++)
        write_nested(json, shape, axis + 1, values, next);
    json.end_array();
}

void write_bound(JsonWriter& json, const char* key, const ArraySpec& array,
                 const std::vector<double>& bound) {
    if (bound.empty()) return;
    json.key(key);
    std::size_t next = 0;
    if (bound.size() == 1)
        json.value(bound[0]);
    else
        write_nested(json, array.shape, 0, bound, next);
}

void write_choices(JsonWriter& json, const ArraySpec& array) {
    if (array.nvec.empty()) return;
    json.key("nvec");
    std::size_t next = 0;
    const std::vector<std::uint64_t> one{1};
    write_nested(json, array.shape.empty() ? one : array.shape, 0, array.nvec, next);
    json.key("start");
    json.value(array.start);
}

void write_arrays(JsonWriter& json, const char* key, const std::vector<ArraySpec>& arrays) {
    json.key(key);
    json.begin_object();
    for (const ArraySpec& array : arrays) {
        json.key(array.name);
        json.begin_object();
        json.key("kind");
        json.value(kind_name(array.kind));
        json.key("shape");
        json.begin_array();
        for (const std::uint64_t length : array.shape) json.value(length);
        json.end_array();
        json.key("dtype");
        json.value(dtype_name(array.dtype));
        write_bound(json, "low", array, array.low);
        write_bound(json, "high", array, array.high);
        write_choices(json, array);
        json.end_object();
    }
    json.end_object();
}

void write_group(JsonWriter& json, const GroupSpec& group) {
    json.begin_object();
    json.key("name");
    json.value(group.name);
    json.key("agents");
    json.value(group.agents);
    json.key("mask");
    json.value(group.mask);
    json.key("reward_dtype");
    json.value(dtype_name(group.reward_dtype));
    write_arrays(json, "observation", group.observation);
    write_arrays(json, "action", group.action);
    write_arrays(json, "info", group.info);
    json.end_object();
}

}  // namespace

ArraySpec box(std::string name, std::uint32_t dtype, std::vector<std::uint64_t> shape) {
    ArraySpec array;
    array.name = std::move(name);
    array.dtype = dtype;
    array.shape = std::move(shape);
    return array;
}

ArraySpec box(std::string name, std::uint32_t dtype, std::vector<std::uint64_t> shape, double low,
              double high) {
    ArraySpec array = box(std::move(name), dtype, std::move(shape));
    array.low = {low};
    array.high = {high};
    return array;
}

ArraySpec discrete(std::string name, std::int64_t choices) {
    ArraySpec array = box(std::move(name), UERL_DTYPE_INT64, {});
    array.kind = Kind::discrete;
    array.nvec = {choices};
    return array;
}

std::uint64_t num_elements(const ArraySpec& array) {
    std::uint64_t elements = 1;
    for (const std::uint64_t length : array.shape) elements *= length;
    return elements;
}

std::uint64_t num_row_bytes(const ArraySpec& array) {
    return num_elements(array) * dtype_bytes(array.dtype);
}

std::uint64_t dtype_bytes(std::uint32_t dtype) {
    for (const DtypeEntry& entry : dtypes)
        if (entry.dtype == dtype) return entry.bytes;
    return 0;
}

const char* dtype_name(std::uint32_t dtype) {
    for (const DtypeEntry& entry : dtypes)
        if (entry.dtype == dtype) return entry.name;
    return nullptr;
}

std::uint32_t dtype_of_name(const std::string& name) {
    for (const DtypeEntry& entry : dtypes)
        if (name == entry.name) return entry.dtype;
    return 0;
}

std::string to_json(const Spec& spec) {
    JsonWriter json;
    json.begin_object();
    json.key("layout");
    json.value(UERL_LAYOUT_VERSION);
    json.key("name");
    json.value(spec.name);
    json.key("groups");
    json.begin_array();
    for (const GroupSpec& group : spec.groups) write_group(json, group);
    json.end_array();
    json.key("parameters");
    json.begin_object();
    for (const ParameterSpec& parameter : spec.parameters) {
        json.key(parameter.name);
        json.value(parameter.value);
    }
    json.end_object();
    if (!spec.render.empty()) {
        json.key("render");
        json.value(spec.render);
    }
    json.key("render_fps");
    json.value(spec.render_fps);
    json.end_object();
    return json.text() + "\n";
}

}  // namespace uerl_sim
