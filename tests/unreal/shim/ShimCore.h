// ShimCore.h: what CoreMinimal.h brings, as far as the plugin uses it.
#pragma once

#include "ShimEvents.h"
