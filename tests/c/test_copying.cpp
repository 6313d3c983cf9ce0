// test_copying.cpp: a batch that several threads copy is the batch.
#include <pthread.h>

#include <cstdint>
#include <vector>

#include "check.h"
#include "copying.hpp"

namespace {

constexpr std::uint64_t kMargin = 64;
constexpr std::uint64_t kPart = UINT64_C(8) << 20;

// Are these bytes copied, and none beside them?
bool is_copied(std::uint64_t bytes)
{
    std::vector<std::uint8_t> source(bytes), target(bytes + 2 * kMargin, 0xEE);
    for (std::uint64_t i = 0; i < bytes; i++)
        source[i] = static_cast<std::uint8_t>(i * 131 + i / 4099);
    uerl::copy_rows(target.data() + kMargin, source.data(), bytes);
    for (std::uint64_t i = 0; i < target.size(); i++) {
        const bool inside = i >= kMargin && i < kMargin + bytes;
        if (target[i] != (inside ? source[i - kMargin] : 0xEE))
            return false;
    }
    return true;
}

} // namespace

TEST(every_byte_is_copied_once_whatever_the_number_of_threads)
{
    for (const std::uint64_t bytes : {UINT64_C(0), UINT64_C(1), UINT64_C(4097), kPart - 1, kPart,
                                      2 * kPart - 1, 2 * kPart, 2 * kPart + 1, 3 * kPart + 777})
        CHECK(is_copied(bytes));
}

TEST(without_threads_the_caller_copies_it_all)
{
    pthread_attr_t before, immense;
    CHECK(pthread_getattr_default_np(&before) == 0);
    CHECK(pthread_getattr_default_np(&immense) == 0);
    CHECK(pthread_attr_setstacksize(&immense, size_t{1} << 46) == 0); // no address space for it
    CHECK(pthread_setattr_default_np(&immense) == 0);
    CHECK(is_copied(4 * kPart + 5));
    CHECK(pthread_setattr_default_np(&before) == 0);
}

int main()
{
    RUN(every_byte_is_copied_once_whatever_the_number_of_threads);
    RUN(without_threads_the_caller_copies_it_all);
    return check_result();
}
