// Copyright (c) 2026 uerl_shm authors. MIT license.

#pragma once

#include "CoreMinimal.h"

UERLSHM_API DECLARE_LOG_CATEGORY_EXTERN(LogUerlShm, Log, All);
