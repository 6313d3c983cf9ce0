// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlShmModule.h"

#include "Modules/ModuleManager.h"

DEFINE_LOG_CATEGORY(LogUerlShm);

IMPLEMENT_MODULE(FDefaultModuleImpl, UerlShm)
