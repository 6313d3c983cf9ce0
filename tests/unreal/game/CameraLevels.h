// CameraLevels.h: the level of cameras that need no GPU.
#pragma once

#include "CoreMinimal.h"

class UWorld;

/**
 * Fills a world with what the file -ShimScene=FILE says, as camera_scene.py writes it.
 *
 * A scene that cannot be read ends the process: the test is wrong.
 */
void OpenScene(UWorld& World);
