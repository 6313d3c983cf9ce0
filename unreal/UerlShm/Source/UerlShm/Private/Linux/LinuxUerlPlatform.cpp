// Copyright (c) 2026 uerl_shm authors. MIT license.

#include "UerlPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

THIRD_PARTY_INCLUDES_START
#include "uerl_shm/layout.h"
THIRD_PARTY_INCLUDES_END

namespace UerlPlatform
{
	static int64 Refuse(FString& OutProblem, const FString& Path, const struct stat& File)
	{
		OutProblem = FString::Printf(
			TEXT("segment %s belongs to uid %u gid %u with mode %04o, this process is uid %u gid "
				 "%u: run both as "
				 "one user, or give the learner shm_group= and shm_mode=0o660, or run_as_user="),
			*Path, File.st_uid, File.st_gid, File.st_mode & 07777, geteuid(), getegid());
		return RefusedRegion;
	}

	int64 GetRegionBytes(const FString& Name, FString& OutProblem)
	{
		const FString Path = TEXT("/dev/shm/") + Name;
		if (Name.Len() == 0 || Name.Len() >= UERL_NAME_BYTES || Name.Contains(TEXT("/")))
		{
			OutProblem = FString::Printf(TEXT("segment name '%s' has %d characters, expected 1 to "
											  "%d without '/': choose another name"),
				*Name, Name.Len(), UERL_NAME_BYTES - 1);
			return RefusedRegion;
		}
		// The engine opens regions for reading and writing, so this does, too.
		const int File = open(TCHAR_TO_UTF8(*Path), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		const int Problem = errno;
		struct stat Found = {};
		if (File < 0 && Problem == ENOENT)
		{
			OutProblem = FString::Printf(TEXT("segment %s not found, expected a learner that made "
											  "it: start the learner, check the name, and "
											  "check that both sides share /dev/shm"),
				*Path);
			return NoRegion;
		}
		if (File < 0 && Problem == EACCES && stat(TCHAR_TO_UTF8(*Path), &Found) == 0)
		{
			return Refuse(OutProblem, Path, Found);
		}
		if (File < 0 || fstat(File, &Found) != 0 || !S_ISREG(Found.st_mode))
		{
			OutProblem = FString::Printf(TEXT("segment %s cannot be opened (%s), expected a "
											  "regular file in /dev/shm: choose another name"),
				*Path, UTF8_TO_TCHAR(File < 0 ? strerror(Problem) : "it is something else"));
			if (File >= 0)
			{
				close(File);
			}
			return RefusedRegion;
		}
		close(File);
		return Found.st_size;
	}
} // namespace UerlPlatform
