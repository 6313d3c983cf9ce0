// ShimPointers.h: the engine's shared and unique pointers.
#pragma once

#include "ShimText.h"

template <typename T> class TSharedRef;
template <typename T> class TSharedPtr
{
  public:
    TSharedPtr() = default;
    TSharedPtr(std::nullptr_t)
    {
    }
    TSharedPtr(std::shared_ptr<T> Pointer) : Pointer(std::move(Pointer))
    {
    }
    template <typename U> TSharedPtr(const TSharedPtr<U> &Other) : Pointer(Other.Pointer)
    {
    }
    template <typename U> TSharedPtr(const TSharedRef<U> &Other) : Pointer(Other.Pointer)
    {
    }
    bool IsValid() const
    {
        return Pointer != nullptr;
    }
    T *Get() const
    {
        return Pointer.get();
    }
    T *operator->() const
    {
        check(IsValid());
        return Pointer.get();
    }
    T &operator*() const
    {
        check(IsValid());
        return *Pointer;
    }
    explicit operator bool() const
    {
        return IsValid();
    }
    void Reset()
    {
        Pointer.reset();
    }
    TSharedRef<T> ToSharedRef() const
    {
        return TSharedRef<T>(Pointer);
    }
    std::shared_ptr<T> Pointer;
};
template <typename T> class TSharedRef
{
  public:
    explicit TSharedRef(std::shared_ptr<T> Pointer) : Pointer(std::move(Pointer))
    {
        check(this->Pointer != nullptr);
    }
    template <typename U> TSharedRef(const TSharedRef<U> &Other) : Pointer(Other.Pointer)
    {
    }
    T *operator->() const
    {
        return Pointer.get();
    }
    T &operator*() const
    {
        return *Pointer;
    }
    T &Get() const
    {
        return *Pointer;
    }
    std::shared_ptr<T> Pointer;
};
template <typename T> class TSharedFromThis : public std::enable_shared_from_this<T>
{
  public:
    TSharedRef<T> AsShared()
    {
        return TSharedRef<T>(this->shared_from_this());
    }
};
template <typename T, typename... Args> TSharedRef<T> MakeShared(Args &&...Given)
{
    return TSharedRef<T>(std::make_shared<T>(std::forward<Args>(Given)...));
}

template <typename T> class TUniquePtr
{
  public:
    TUniquePtr() = default;
    TUniquePtr(std::nullptr_t)
    {
    }
    explicit TUniquePtr(T *Pointer) : Pointer(Pointer)
    {
    }
    template <typename U> TUniquePtr(TUniquePtr<U> &&Other) : Pointer(std::move(Other.Pointer))
    {
    }
    bool IsValid() const
    {
        return Pointer != nullptr;
    }
    T *Get() const
    {
        return Pointer.get();
    }
    T *operator->() const
    {
        check(IsValid());
        return Pointer.get();
    }
    T &operator*() const
    {
        return *Pointer;
    }
    explicit operator bool() const
    {
        return IsValid();
    }
    void Reset()
    {
        Pointer.reset();
    }
    std::unique_ptr<T> Pointer;
};
template <typename T, typename... Args> TUniquePtr<T> MakeUnique(Args &&...Given)
{
    return TUniquePtr<T>(new T(std::forward<Args>(Given)...));
}

template <typename T> using TFunction = std::function<T>;
template <typename T> using TFunctionRef = const std::function<T> &;

struct FMemory {
    static void *Memcpy(void *Target, const void *Source, SIZE_T Bytes)
    {
        return Bytes == 0 ? Target : std::memcpy(Target, Source, Bytes);
    }
    static void *Memmove(void *Target, const void *Source, SIZE_T Bytes)
    {
        return std::memmove(Target, Source, Bytes);
    }
    static void Memzero(void *Target, SIZE_T Bytes)
    {
        std::memset(Target, 0, Bytes);
    }
};
