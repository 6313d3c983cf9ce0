// clean_text.hpp: what a simulator wrote, as it may go to a terminal and into a Python string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace uerl {

// Bytes of the printable character at `start`, 0 where none begins: control characters, bytes that
// are no UTF-8, a character that was cut off.
inline size_t printable_bytes(const std::string& text, size_t start) {
    const auto first = static_cast<uint8_t>(text[start]);
    if (first < 0x80) return first == '\n' || (first >= 0x20 && first != 0x7f);
    const size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || count > text.size() - start) return 0;
    uint32_t code = first & (0x7fu >> count);
    for (size_t i = start + 1; i < start + count; i++) {
        const auto byte = static_cast<uint8_t>(text[i]);
        if ((byte & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte & 0x3f);
    }
    constexpr uint32_t first_code[] = {0, 0, 0xa0, 0x800, 0x10000};  // of each length
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < first_code[count] || code > 0x10ffff || surrogate ? 0 : count;
}

// The text with a space for whatever is not printable.
inline std::string clean_text(const std::string& text) {
    std::string clean;
    for (size_t i = 0; i < text.size();) {
        const size_t count = printable_bytes(text, i);
        clean += count == 0 ? " " : text.substr(i, count);
        i += count == 0 ? 1 : count;
    }
    return clean;
}

}  // namespace uerl
