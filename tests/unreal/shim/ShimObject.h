// ShimObject.h: objects and classes. Reflection is made by shim/build.py in the way of the engine's
// header tool: classes with names, defaults and parents, and the bodies of Blueprint events.
// Nothing is collected: what is created lives until the process ends.
#pragma once

#include "ShimCore.h"

#define UCLASS(...)
#define USTRUCT(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)
#define UPARAM(...)
#define BODY_MACRO_COMBINE_INNER(A, B, C, D) A##B##C##D
#define BODY_MACRO_COMBINE(A, B, C, D) BODY_MACRO_COMBINE_INNER(A, B, C, D)
#define GENERATED_BODY() BODY_MACRO_COMBINE(CURRENT_FILE_ID, _, __LINE__, _GENERATED_BODY)
#define PURE_VIRTUAL(Function, ...)                                                                \
    {                                                                                              \
        ShimFatal("pure virtual: " #Function);                                                     \
        __VA_ARGS__                                                                                \
    }

enum EClassFlags : uint32 {
    CLASS_Abstract = 1,
    CLASS_Deprecated = 2,
    CLASS_NewerVersionExists = 4
};

class UObject;
class UWorld;

class UClass
{
  public:
    FString GetName() const
    {
        return Name;
    }
    FName GetFName() const
    {
        return FName(*Name);
    }
    bool HasAnyClassFlags(uint32 Wanted) const
    {
        return (Flags & Wanted) != 0;
    }
    UObject *GetDefaultObject();
    bool IsChildOf(const UClass *Other) const;

    FString Name;
    UClass *Parent = nullptr;
    uint32 Flags = 0;
    UObject *(*Make)() = nullptr;

  private:
    UObject *Default = nullptr;
};
using UScriptStruct = UClass;

UClass *ShimMakeClass(const TCHAR *Name, UClass *Parent, uint32 Flags, UObject *(*Make)());
const std::vector<UClass *(*)()> &ShimAllClasses();
struct ShimRegistrar {
    explicit ShimRegistrar(UClass *(*StaticClass)());
};

class UObject
{
  public:
    virtual ~UObject() = default;
    static UClass *StaticClass();
    virtual UClass *GetClass() const
    {
        return StaticClass();
    }
    FString GetName() const
    {
        return Name;
    }
    FName GetFName() const
    {
        return FName(*Name);
    }
    UObject *GetOuter() const
    {
        return Outer;
    }
    // An object without an outer stands for a package.
    FString GetPathName() const
    {
        return Outer == nullptr ? Name : Outer->GetPathName() + u"." + Name;
    }
    virtual UWorld *GetWorld() const
    {
        return Outer == nullptr ? nullptr : Outer->GetWorld();
    }
    template <typename T> T *GetTypedOuter() const
    {
        for (UObject *Each = Outer; Each != nullptr; Each = Each->Outer)
            if (T *Found = dynamic_cast<T *>(Each))
                return Found;
        return nullptr;
    }
    bool IsTemplate() const
    {
        return bIsTemplate;
    }

    FString Name;
    UObject *Outer = nullptr;
    bool bIsTemplate = false;
    bool bDestroyed = false;
};

template <typename T> class TObjectPtr
{
  public:
    TObjectPtr() = default;
    TObjectPtr(T *Value) : Value(Value)
    {
    }
    TObjectPtr(std::nullptr_t)
    {
    }
    T *Get() const
    {
        return Value;
    }
    operator T *() const
    {
        return Value;
    }
    T *operator->() const
    {
        check(Value != nullptr);
        return Value;
    }
    T &operator*() const
    {
        return *Value;
    }

  private:
    T *Value = nullptr;
};
template <typename T> class TSubclassOf
{
  public:
    TSubclassOf() = default;
    TSubclassOf(UClass *Value) : Value(Value)
    {
    }
    operator UClass *() const
    {
        return Value;
    }

  private:
    UClass *Value = nullptr;
};
template <typename T> class TWeakObjectPtr
{
  public:
    TWeakObjectPtr() = default;
    TWeakObjectPtr(T *Value) : Value(Value)
    {
    }
    T *Get() const
    {
        return Value != nullptr && !Value->bDestroyed ? Value : nullptr;
    }
    bool IsValid() const
    {
        return Get() != nullptr;
    }
    T *operator->() const
    {
        return Get();
    }

  private:
    T *Value = nullptr;
};

template <typename T> class TObjectKey
{
  public:
    TObjectKey() = default;
    TObjectKey(const T *Object) : Object(Object)
    {
    }
    bool operator==(const TObjectKey &Other) const
    {
        return Object == Other.Object;
    }

  private:
    const T *Object = nullptr;
};
template <typename T> class TEnumAsByte
{
  public:
    TEnumAsByte(T Value) : Value(static_cast<uint8>(Value))
    {
    }
    operator T() const
    {
        return static_cast<T>(Value);
    }

  private:
    uint8 Value;
};

inline bool IsValid(const UObject *Object)
{
    return Object != nullptr && !Object->bDestroyed;
}
template <typename T> T *Cast(UObject *Object)
{
    return dynamic_cast<T *>(Object);
}
template <typename T> const T *Cast(const UObject *Object)
{
    return dynamic_cast<const T *>(Object);
}
template <typename To, typename From> To *Cast(const TObjectPtr<From> &Object)
{
    return dynamic_cast<To *>(Object.Get());
}

UObject *ShimNewObject(UObject *Outer, UClass *Class, const FString &Name);
template <typename T>
T *NewObject(UObject *Outer, UClass *Class = T::StaticClass(), const FName &Name = FName())
{
    check(!Class->HasAnyClassFlags(CLASS_Abstract));
    return static_cast<T *>(ShimNewObject(Outer, Class, Name.ToString()));
}
template <typename T> const T *GetDefault()
{
    return static_cast<const T *>(T::StaticClass()->GetDefaultObject());
}
template <typename T> T *GetMutableDefault()
{
    return static_cast<T *>(T::StaticClass()->GetDefaultObject());
}
void GetDerivedClasses(const UClass *Base, TArray<UClass *> &Out, bool bRecursive);
UClass *StaticLoadClass(UClass *Base, UObject *Outer, const TCHAR *Path);
UObject *ShimLoadObject(const TCHAR *Path);
void ShimAddAsset(const TCHAR *Path, UObject *Object);
enum ELoadFlags : uint32 { LOAD_None = 0, LOAD_NoWarn = 2, LOAD_Quiet = 8192 };
template <typename T>
T *LoadObject(UObject *, const TCHAR *Path, const TCHAR * = nullptr, uint32 = LOAD_None)
{
    return dynamic_cast<T *>(ShimLoadObject(Path));
}

class FReferenceCollector;
struct FDefaultModuleImpl {};
#define IMPLEMENT_MODULE(Class, Name) Class Shim##Name##Module;
