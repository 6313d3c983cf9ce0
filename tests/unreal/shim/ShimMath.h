// ShimMath.h: vectors, rotations and transforms in the engine's left-handed axes (x forward, y
// right, z up; degrees), as far as the plugin uses them.
#pragma once

#include "ShimCore.h"

struct FMath {
    static constexpr double Degrees = 57.295779513082320877;
    template <typename T> static T Min(T One, T Other)
    {
        return std::min(One, Other);
    }
    template <typename T> static T Max(T One, T Other)
    {
        return std::max(One, Other);
    }
    template <typename T> static T Clamp(T Value, T Low, T High)
    {
        return std::min(std::max(Value, Low), High);
    }
    template <typename T> static T Abs(T Value)
    {
        return std::abs(Value);
    }
    static bool IsFinite(double Value)
    {
        return std::isfinite(Value);
    }
    static double FloorToDouble(double Value)
    {
        return std::floor(Value);
    }
    static int32 RoundToInt(double Value)
    {
        return static_cast<int32>(std::floor(Value + 0.5));
    }
    static int32 FloorToInt(double Value)
    {
        return static_cast<int32>(std::floor(Value));
    }
    static double Tan(double Value)
    {
        return std::tan(Value);
    }
    static double Sin(double Value)
    {
        return std::sin(Value);
    }
    static double Cos(double Value)
    {
        return std::cos(Value);
    }
    static double Sqrt(double Value)
    {
        return std::sqrt(Value);
    }
    static double DegreesToRadians(double Value)
    {
        return Value / Degrees;
    }
    static void RandInit(int32 Seed)
    {
        std::srand(static_cast<unsigned>(Seed));
    }
    static void SRandInit(int32 Seed)
    {
        RandomSeed = Seed;
    }
    static inline int32 RandomSeed = 0;
};

struct FVector {
    double X = 0.0, Y = 0.0, Z = 0.0;
    FVector() = default;
    FVector(double InX, double InY, double InZ) : X(InX), Y(InY), Z(InZ)
    {
    }
    explicit FVector(double All) : X(All), Y(All), Z(All)
    {
    }
    static const FVector ZeroVector, ForwardVector, RightVector, UpVector;
    FVector operator+(const FVector &V) const
    {
        return {X + V.X, Y + V.Y, Z + V.Z};
    }
    FVector operator-(const FVector &V) const
    {
        return {X - V.X, Y - V.Y, Z - V.Z};
    }
    FVector operator-() const
    {
        return {-X, -Y, -Z};
    }
    FVector operator*(double S) const
    {
        return {X * S, Y * S, Z * S};
    }
    friend FVector operator*(double S, const FVector &V)
    {
        return V * S;
    }
    FVector operator/(double S) const
    {
        return {X / S, Y / S, Z / S};
    }
    FVector &operator+=(const FVector &V)
    {
        return *this = *this + V;
    }
    bool operator==(const FVector &V) const
    {
        return X == V.X && Y == V.Y && Z == V.Z;
    }
    double Size() const
    {
        return std::sqrt(X * X + Y * Y + Z * Z);
    }
    FVector GetSafeNormal() const
    {
        return Size() < 1e-8 ? FVector() : *this / Size();
    }
    static double DotProduct(const FVector &A, const FVector &B)
    {
        return A.X * B.X + A.Y * B.Y + A.Z * B.Z;
    }
    static double Dist(const FVector &A, const FVector &B)
    {
        return (A - B).Size();
    }
};
inline const FVector FVector::ZeroVector, FVector::ForwardVector(1.0, 0.0, 0.0),
    FVector::RightVector(0.0, 1.0, 0.0), FVector::UpVector(0.0, 0.0, 1.0);

struct FVector2D {
    double X = 0.0, Y = 0.0;
};

struct FRotator {
    double Pitch = 0.0, Yaw = 0.0, Roll = 0.0;
    FRotator() = default;
    FRotator(double InPitch, double InYaw, double InRoll) : Pitch(InPitch), Yaw(InYaw), Roll(InRoll)
    {
    }
    static const FRotator ZeroRotator;
    void GetAxes(FVector &X, FVector &Y, FVector &Z) const
    {
        const double P = Pitch / FMath::Degrees, W = Yaw / FMath::Degrees,
                     R = Roll / FMath::Degrees;
        const double SP = std::sin(P), CP = std::cos(P), SY = std::sin(W), CY = std::cos(W);
        const double SR = std::sin(R), CR = std::cos(R);
        X = {CP * CY, CP * SY, SP};
        Y = {SR * SP * CY - CR * SY, SR * SP * SY + CR * CY, -SR * CP};
        Z = {-(CR * SP * CY + SR * SY), CY * SR - CR * SP * SY, CR * CP};
    }
    FVector Vector() const
    {
        return RotateVector({1.0, 0.0, 0.0});
    }
    FVector RotateVector(const FVector &V) const
    {
        FVector X, Y, Z;
        GetAxes(X, Y, Z);
        return X * V.X + Y * V.Y + Z * V.Z;
    }
};
inline const FRotator FRotator::ZeroRotator;

class FTransform
{
  public:
    FTransform() = default;
    explicit FTransform(const FVector &Location) : Location(Location)
    {
    }
    FTransform(const FRotator &Rotation, const FVector &Location)
        : Location(Location), Turned(Rotation)
    {
    }
    FVector GetLocation() const
    {
        return Location;
    }
    FRotator Rotator() const
    {
        return Turned;
    }
    void SetLocation(const FVector &Value)
    {
        Location = Value;
    }
    FVector TransformVectorNoScale(const FVector &V) const
    {
        return Turned.RotateVector(V);
    }
    FVector TransformPosition(const FVector &V) const
    {
        return Location + TransformVectorNoScale(V); // nothing is scaled here
    }
    void SetRotation(const FRotator &Value)
    {
        Turned = Value;
    }
    FVector InverseTransformVectorNoScale(const FVector &V) const
    {
        FVector X, Y, Z;
        Turned.GetAxes(X, Y, Z);
        return {FVector::DotProduct(V, X), FVector::DotProduct(V, Y), FVector::DotProduct(V, Z)};
    }

  private:
    FVector Location;
    FRotator Turned;
};

struct FBox {
    FVector Min, Max;
    bool IsInside(const FVector &P) const
    {
        return P.X > Min.X && P.X < Max.X && P.Y > Min.Y && P.Y < Max.Y && P.Z > Min.Z &&
               P.Z < Max.Z;
    }
};

struct FColor {
    uint8 B = 0, G = 0, R = 0, A = 255; // in memory, on little endian
    FColor() = default;
    FColor(uint8 InR, uint8 InG, uint8 InB, uint8 InA = 255) : B(InB), G(InG), R(InR), A(InA)
    {
    }
    static const FColor White, Green;
};
inline const FColor FColor::White(255, 255, 255), FColor::Green(0, 255, 0);
