// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"
#include "Misc/AutomationTest.h"
#include "Misc/EngineVersionComparison.h"

/** Where the tests of this plugin may run: anywhere, as the tests of a product. */
#if UE_VERSION_OLDER_THAN(5, 5, 0)
constexpr auto UerlTestFlags =
	EAutomationTestFlags::ApplicationContextMask | EAutomationTestFlags::ProductFilter;
#else
constexpr auto UerlTestFlags =
	EAutomationTestFlags_ApplicationContextMask | EAutomationTestFlags::ProductFilter;
#endif
