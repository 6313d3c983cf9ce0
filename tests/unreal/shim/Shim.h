// Shim.h: everything of the engine that the plugin uses.
#pragma once

#include "ShimAutomation.h"
#include "ShimCore.h"
#include "ShimEngine.h"
#include "ShimFiles.h"
#include "ShimJson.h"
#include "ShimMath.h"
#include "ShimNne.h"
#include "ShimObject.h"
#include "ShimPlatform.h"
#include "ShimRender.h"
#include "ShimSockets.h"
