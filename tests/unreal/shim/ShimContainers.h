// ShimContainers.h: arrays, maps and sets of the engine; arrays check their indices.
#pragma once

#include "ShimFormat.h"

template <typename T> class TArrayView
{
  public:
    TArrayView() = default;
    TArrayView(T *Data, int32 Count) : First(Data), Count(Count)
    {
    }
    template <typename Other>
        requires std::is_same_v<const Other, T> && (!std::is_const_v<Other>)
    TArrayView(const TArrayView<Other> &View) : First(View.GetData()), Count(View.Num())
    {
    }
    T *GetData() const
    {
        return First;
    }
    int32 Num() const
    {
        return Count;
    }
    T &operator[](int32 Index) const
    {
        check(Index >= 0 && Index < Count);
        return First[Index];
    }
    T *begin() const
    {
        return First;
    }
    T *end() const
    {
        return First + Count;
    }

  private:
    T *First = nullptr;
    int32 Count = 0;
};
template <typename T> TArrayView<T> MakeArrayView(T *Data, int32 Count)
{
    return {Data, Count};
}

template <typename T> decltype(auto) ShimDereferenced(T &Value)
{
    if constexpr (requires { *Value; })
        return (*Value);
    else
        return (Value);
}

template <typename T> class TArray
{
  public:
    TArray() = default;
    TArray(std::initializer_list<T> Values) : Items(Values)
    {
    }
    TArray(const T *Values, int32 Count) : Items(Values, Values + Count)
    {
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }
    bool IsEmpty() const
    {
        return Items.empty();
    }
    bool IsValidIndex(int32 Index) const
    {
        return Index >= 0 && Index < Num();
    }
    T &operator[](int32 Index)
    {
        check(IsValidIndex(Index));
        return Items[static_cast<std::size_t>(Index)];
    }
    const T &operator[](int32 Index) const
    {
        return const_cast<TArray &>(*this)[Index];
    }
    T &Last()
    {
        return (*this)[Num() - 1];
    }
    int32 Add(T Value)
    {
        Items.push_back(std::move(Value));
        return Num() - 1;
    }
    T &Add_GetRef(T Value)
    {
        Items.push_back(std::move(Value));
        return Items.back();
    }
    T &AddDefaulted_GetRef()
    {
        return Items.emplace_back();
    }
    template <typename... Args> int32 Emplace(Args &&...Given)
    {
        Items.push_back(T(std::forward<Args>(Given)...));
        return Num() - 1;
    }
    int32 AddUnique(T Value)
    {
        const int32 Found = Find(Value);
        return Found != INDEX_NONE ? Found : Add(std::move(Value));
    }
    void Append(const TArray &Other)
    {
        Items.insert(Items.end(), Other.Items.begin(), Other.Items.end());
    }
    template <typename U> int32 Find(const U &Value) const
    {
        const auto Found = std::find(Items.begin(), Items.end(), Value);
        return Found == Items.end() ? INDEX_NONE : static_cast<int32>(Found - Items.begin());
    }
    template <typename U> bool Contains(const U &Value) const
    {
        return Find(Value) != INDEX_NONE;
    }
    template <typename U> int32 Remove(const U &Value)
    {
        return static_cast<int32>(std::erase(Items, Value));
    }
    void RemoveAt(int32 Index)
    {
        Items.erase(Items.begin() + Index);
    }
    template <typename Before> void Sort(Before IsBefore)
    {
        std::sort(Items.begin(), Items.end(), [&](const T &One, const T &Other) {
            return IsBefore(ShimDereferenced(One), ShimDereferenced(Other));
        });
    }
    void Reset()
    {
        Items.clear();
    }
    void Empty()
    {
        Items.clear();
    }
    void SetNum(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    void SetNumZeroed(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    void SetNumUninitialized(int32 Count)
    {
        Items.resize(static_cast<std::size_t>(Count));
    }
    T *GetData()
    {
        return Items.data();
    }
    const T *GetData() const
    {
        return Items.data();
    }
    bool operator==(const TArray &Other) const
    {
        return Items == Other.Items;
    }
    bool operator!=(const TArray &Other) const
    {
        return !(Items == Other.Items);
    }
    auto begin()
    {
        return Items.begin();
    }
    auto end()
    {
        return Items.end();
    }
    auto begin() const
    {
        return Items.begin();
    }
    auto end() const
    {
        return Items.end();
    }
    operator TArrayView<T>()
    {
        return {GetData(), Num()};
    }
    operator TArrayView<const T>() const
    {
        return {GetData(), Num()};
    }

  private:
    std::vector<T> Items;
};

template <typename K, typename V> struct TPair {
    K Key;
    V Value;
    TPair() = default;
    TPair(K InKey, V InValue) : Key(std::move(InKey)), Value(std::move(InValue))
    {
    }
    bool operator==(const TPair &Other) const
    {
        return Key == Other.Key && Value == Other.Value;
    }
};
template <typename K, typename V> using TTuple = TPair<K, V>;

template <typename T> class TSet
{
  public:
    void Add(T Value, bool *bIsAlreadyInSet = nullptr)
    {
        const bool bNew = Items.insert(std::move(Value)).second;
        if (bIsAlreadyInSet != nullptr)
            *bIsAlreadyInSet = !bNew;
    }
    bool Contains(const T &Value) const
    {
        return Items.count(Value) > 0;
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }

  private:
    std::set<T> Items;
};

template <typename K, typename V> class TMap
{
  public:
    V &Add(K Key)
    {
        return Add(std::move(Key), V());
    }
    V &Add(K Key, V Value)
    {
        for (TPair<K, V> &Pair : Items)
            if (Pair.Key == Key) {
                Pair.Value = std::move(Value);
                return Pair.Value;
            }
        Items.emplace_back(std::move(Key), std::move(Value));
        return Items.back().Value;
    }
    V &FindOrAdd(const K &Key)
    {
        V *Found = Find(Key);
        return Found != nullptr ? *Found : Add(Key);
    }
    const V *Find(const K &Key) const
    {
        for (const TPair<K, V> &Pair : Items)
            if (Pair.Key == Key)
                return &Pair.Value;
        return nullptr;
    }
    V *Find(const K &Key)
    {
        return const_cast<V *>(std::as_const(*this).Find(Key));
    }
    bool Contains(const K &Key) const
    {
        return Find(Key) != nullptr;
    }
    V FindRef(const K &Key) const
    {
        const V *Found = Find(Key);
        return Found == nullptr ? V() : *Found;
    }
    void Append(const TMap &Other)
    {
        for (const TPair<K, V> &Pair : Other)
            Add(Pair.Key, Pair.Value);
    }
    void Reset()
    {
        Items.clear();
    }
    int32 Num() const
    {
        return static_cast<int32>(Items.size());
    }
    auto begin()
    {
        return Items.begin();
    }
    auto end()
    {
        return Items.end();
    }
    auto begin() const
    {
        return Items.begin();
    }
    auto end() const
    {
        return Items.end();
    }

  private:
    std::vector<TPair<K, V>> Items;
};
