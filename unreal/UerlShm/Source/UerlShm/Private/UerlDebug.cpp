// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlDebug.h"

#include "Engine/Engine.h"
#include "UerlAgentComponent.h"
#include "UerlConsole.h"
#include "UerlLevel.h"

namespace UerlDebug
{
	static constexpr int32 MaxValues = 16;
	static constexpr float UntilNextFrame = 0.0f;

	static FString ToText(const FUerlArray& Array, TArrayView<const uint8> Row)
	{
		FString Text;
		const int32 NumValues = static_cast<int32>(FMath::Min<int64>(Array.NumValues(), MaxValues));
		for (int32 Index = 0; Index < NumValues; Index++)
		{
			if (Array.Type == EUerlType::Float32)
			{
				Text += FString::Printf(
					TEXT(" %.2f"), reinterpret_cast<const float*>(Row.GetData())[Index]);
			}
			else if (Array.Type == EUerlType::Int64)
			{
				Text += FString::Printf(
					TEXT(" %lld"), reinterpret_cast<const long long*>(Row.GetData())[Index]);
			}
			else
			{
				Text += FString::Printf(TEXT(" %d"), Row[Index]);
			}
		}
		return Array.NumValues() > NumValues ? Text + TEXT(" ...") : Text;
	}

	static void Draw(const FString& Line)
	{
		GEngine->AddOnScreenDebugMessage(INDEX_NONE, UntilNextFrame, FColor::Green, Line);
	}

	static void ShowAgent(const UUerlAgentComponent& Agent)
	{
		static const TCHAR* const Ends[] = { TEXT(""), TEXT(", terminated"), TEXT(", truncated") };
		Draw(FString::Printf(TEXT("%s: step %d, reward %.3f, sum %.3f%s"), *Agent.GetAgentName(),
			Agent.GetEpisodeSteps(), Agent.GetReward(), Agent.GetEpisodeReward(),
			Ends[static_cast<int32>(Agent.GetEnd())]));
		for (UUerlSensor* const Sensor : Agent.Sensors)
		{
			if (!Sensor->IsPicture())
			{
				const FUerlArray Array = Sensor->Describe();
				TArray<uint8> Row;
				Row.SetNumZeroed(static_cast<int32>(Array.NumBytes()));
				Sensor->Observe(Row);
				Draw(Sensor->GetPartName().ToString() + ToText(Array, Row));
			}
		}
		for (const UUerlActuator* const Actuator : Agent.Actuators)
		{
			const TArray<uint8>& Row = Actuator->GetLastAction();
			if (Row.Num() > 0)
			{
				Draw(Actuator->GetPartName().ToString() + ToText(Actuator->Describe(), Row));
			}
		}
		for (const TPair<FName, float>& Annotation : Agent.GetAnnotations())
		{
			Draw(FString::Printf(
				TEXT("learner: %s %.2f"), *Annotation.Key.ToString(), Annotation.Value));
		}
	}

	void Show(UWorld& World)
	{
		const FString Name = UerlConsole::GetDebugAgent();
		if (Name.IsEmpty() || GEngine == nullptr)
		{
			return;
		}
		for (const UUerlAgentComponent* const Agent : UerlLevel::FindAgents(World))
		{
			if (Agent->GetAgentName() == Name && Agent->IsAttached())
			{
				ShowAgent(*Agent);
			}
		}
	}
} // namespace UerlDebug
