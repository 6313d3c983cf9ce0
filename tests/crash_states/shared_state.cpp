// shared_state.cpp: looking, and comparing.
#include "shared_state.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepper.hpp"

namespace
{

constexpr uint32_t kLockBytes = UERL_LOCK_LANES + 2; // owner, takeover and two lanes

uint32_t locks_of(int fd)
{
    uint32_t held = 0;
    for (const uint32_t byte :
         {UERL_LOCK_OWNER + 0, UERL_LOCK_TAKEOVER + 0, UERL_LOCK_LANES + 0, UERL_LOCK_LANES + 1}) {
        struct flock lock = {};
        lock.l_type = F_WRLCK;
        lock.l_start = byte;
        lock.l_len = 1;
        if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
            held |= 1u << byte;
    }
    static_assert(kLockBytes <= 32, "a lock for each bit");
    return held;
}

// Temporary names are numbers; a segment's text says whose it is.
bool says(const std::string &path, const std::string &name)
{
    uerl_header header;
    char text[256] = {};
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool found = pread(fd, &header, sizeof header, 0) == sizeof header &&
                       header.magic == UERL_MAGIC &&
                       pread(fd, text, std::min<size_t>(header.text_bytes, sizeof text - 1),
                             static_cast<off_t>(header.text_offset)) > 0 &&
                       name == text;
    close(fd);
    return found;
}

void find_parts(Named &named)
{
    named.first_row = named.bytes;
    if (!named.complete())
        return;
    const uerl_header &header = named.header();
    named.first_row = header.lanes_offset + header.num_lanes * header.lane_bytes;
    for (uint32_t lane = 0; lane < header.num_lanes; lane++)
        named.alive.push_back(header.lanes_offset + lane * header.lane_bytes +
                              sizeof(uerl_lane_commands) + offsetof(uerl_lane_results, alive));
}

bool open_named(Named &named)
{
    struct stat file;
    const std::string path = UERL_SHM_DIRECTORY "/" + named.name;
    named.fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (named.fd < 0 || fstat(named.fd, &file) != 0 || file.st_size < UERL_HEADER_BYTES)
        return false;
    named.inode = file.st_ino;
    named.bytes = static_cast<uint64_t>(file.st_size);
    void *base = mmap(nullptr, named.bytes, PROT_READ, MAP_SHARED, named.fd, 0);
    expect(base != MAP_FAILED, "segment cannot be mapped");
    named.base = static_cast<const uint8_t *>(base);
    find_parts(named);
    named.copy.assign(named.base, named.base + named.bytes);
    named.locks = locks_of(named.fd);
    return true;
}

void close_named(Named &named)
{
    if (named.base != nullptr)
        munmap(const_cast<uint8_t *>(named.base), named.bytes);
    if (named.fd >= 0)
        close(named.fd);
}

// Copies what differs in [from, to) from what it was. `first` becomes the first such byte.
bool renew(Named &named, uint64_t from, uint64_t to, uint64_t &first)
{
    if (std::memcmp(named.base + from, &named.copy[from], to - from) == 0)
        return false;
    const uint8_t *end = named.base + to;
    const uint8_t *found = std::mismatch(named.base + from, end, &named.copy[from]).first;
    first = std::min(first, static_cast<uint64_t>(found - named.base));
    std::memcpy(&named.copy[from], named.base + from, to - from);
    return true;
}

uint32_t changes_of(Named &named, uint64_t &first)
{
    uint32_t changed = kNothing;
    uint64_t from = 0;
    for (const uint64_t alive : named.alive) {
        changed |= renew(named, from, alive, first) ? kWords : kNothing;
        from = alive + sizeof(uint64_t);
    }
    changed |= renew(named, from, named.first_row, first) ? kWords : kNothing;
    changed |= renew(named, named.first_row, named.bytes, first) ? kRows : kNothing;
    const uint32_t locks = locks_of(named.fd);
    changed |= locks != named.locks ? kLocks : kNothing;
    named.locks = locks;
    return changed;
}

} // namespace

std::vector<std::string> temporary_names(const std::string &name)
{
    std::vector<std::string> found;
    DIR *directory = opendir(UERL_SHM_DIRECTORY);
    expect(directory != nullptr, UERL_SHM_DIRECTORY " cannot be listed");
    while (const dirent *entry = readdir(directory))
        if (strncmp(entry->d_name, ".uerl-", 6) == 0 &&
            says(UERL_SHM_DIRECTORY "/" + std::string(entry->d_name), name))
            found.push_back(entry->d_name);
    closedir(directory);
    return found;
}

SharedState::SharedState(const std::string &name) : name_(name)
{
    look();
}

SharedState::~SharedState()
{
    for (Named &named : names_)
        close_named(named);
}

const Named *SharedState::find(const std::string &name) const
{
    for (const Named &named : names_)
        if (named.name == name)
            return &named;
    return nullptr;
}

uint32_t SharedState::look()
{
    std::vector<std::string> found = temporary_names(name_);
    struct stat file;
    const std::string path = UERL_SHM_DIRECTORY "/" + name_;
    ino_t inode = 0;
    if (lstat(path.c_str(), &file) == 0 && file.st_size >= UERL_HEADER_BYTES) {
        found.push_back(name_);
        inode = file.st_ino;
    }
    const Named *own = find(name_);
    bool same = found.size() == names_.size() && (own == nullptr ? 0 : own->inode) == inode;
    for (const std::string &name : found)
        same = same && find(name) != nullptr;
    uint32_t changed = kNothing;
    first_changed_ = UINT64_MAX;
    if (same) {
        for (Named &named : names_)
            changed |= changes_of(named, first_changed_);
        return changed;
    }
    for (Named &named : names_)
        close_named(named);
    names_.clear();
    for (const std::string &name : found) {
        names_.push_back({});
        names_.back().name = name;
        if (!open_named(names_.back())) {
            close_named(names_.back());
            names_.pop_back();
        }
    }
    return kNames;
}
