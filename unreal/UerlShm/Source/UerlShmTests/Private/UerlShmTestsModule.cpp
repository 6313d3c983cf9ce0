// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "Modules/ModuleManager.h"

IMPLEMENT_MODULE(FDefaultModuleImpl, UerlShmTests)
