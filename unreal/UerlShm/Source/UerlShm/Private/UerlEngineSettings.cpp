// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlEngineSettings.h"

#include "Dom/JsonObject.h"
#include "Engine/Engine.h"
#include "Engine/GameViewportClient.h"
#include "Engine/World.h"
#include "GameFramework/WorldSettings.h"
#include "HAL/IConsoleManager.h"
#include "Misc/App.h"
#include "PhysicsEngine/PhysicsSettings.h"
#include "UerlSettings.h"
#include "UnrealClient.h"

FUerlEngineSettings FUerlEngineSettings::Read(
	const FJsonObject& Engine, bool bInference, TArray<FString>& OutProblems)
{
	FUerlEngineSettings Found;
	Found.bHidesWindow = !bInference;
	const TSharedPtr<FJsonObject>* Set = nullptr;
	const TCHAR* const Name = bInference ? TEXT("inference") : TEXT("training");
	if (!Engine.HasField(Name))
	{
		return Found;
	}
	if (!Engine.TryGetObjectField(Name, Set))
	{
		OutProblems.Add(
			FString::Printf(TEXT("engine has '%s' of another type, expected an object"), Name));
		return Found;
	}
	FUerlSettings Settings(Set->ToSharedRef(), FString(TEXT("engine, ")) + Name, OutProblems);
	Settings.Read(TEXT("fixed_fps"), Found.FixedFps);
	Settings.Read(TEXT("time_scale"), Found.TimeScale);
	Settings.Read(TEXT("quality_level"), Found.QualityLevel, -1, 4);
	Settings.Read(TEXT("resolution"), Found.Resolution);
	Settings.Read(TEXT("target_fps"), Found.TargetFps);
	if (Found.FixedFps <= 0.0 || Found.TimeScale <= 0.0 || Found.TargetFps < 0.0)
	{
		Settings.AddProblem(FString::Printf(
			TEXT("has fixed_fps %g, time_scale %g, target_fps %g, expected positive numbers"),
			Found.FixedFps, Found.TimeScale, Found.TargetFps));
	}
	if (Found.Resolution.Num() != 0 &&
		(Found.Resolution.Num() != 2 || Found.Resolution[0] < 1 || Found.Resolution[1] < 1))
	{
		Settings.AddProblem(TEXT("has another 'resolution', expected [width, height]"));
	}
	return Found;
}

static void SetVariable(const TCHAR* Name, float Value)
{
	if (IConsoleVariable* const Variable = IConsoleManager::Get().FindConsoleVariable(Name))
	{
		Variable->Set(Value, ECVF_SetByCode);
	}
}

void FUerlEngineSettings::Apply(UWorld& World) const
{
	const double StepS = 1.0 / FixedFps;
	FApp::SetFixedDeltaTime(StepS);
	FApp::SetUseFixedTimeStep(true);
	// Physics would cut longer steps off, silently.
	UPhysicsSettings* const Physics = GetMutableDefault<UPhysicsSettings>();
	Physics->MaxPhysicsDeltaTime =
		FMath::Max(Physics->MaxPhysicsDeltaTime, static_cast<float>(StepS * TimeScale));
	World.GetWorldSettings()->SetTimeDilation(static_cast<float>(TimeScale));
	SetVariable(TEXT("t.MaxFPS"), static_cast<float>(TargetFps));
	SetVariable(TEXT("t.IdleWhenNotForeground"), 0.0f);
	SetVariable(TEXT("r.VSync"), 0.0f);
	if (QualityLevel >= 0)
	{
		const TCHAR* const Groups[] = { TEXT("sg.ViewDistanceQuality"),
			TEXT("sg.AntiAliasingQuality"), TEXT("sg.ShadowQuality"),
			TEXT("sg.GlobalIlluminationQuality"), TEXT("sg.ReflectionQuality"),
			TEXT("sg.PostProcessQuality"), TEXT("sg.TextureQuality"), TEXT("sg.EffectsQuality"),
			TEXT("sg.FoliageQuality"), TEXT("sg.ShadingQuality") };
		for (const TCHAR* const Group : Groups)
		{
			SetVariable(Group, static_cast<float>(QualityLevel));
		}
	}
	if (Resolution.Num() == 2)
	{
		FSystemResolution::RequestResolutionChange(
			Resolution[0], Resolution[1], EWindowMode::Windowed);
	}
	if (bHidesWindow && GEngine->GameViewport != nullptr && !GIsEditor)
	{
		GEngine->GameViewport->bDisableWorldRendering = true;
	}
}
