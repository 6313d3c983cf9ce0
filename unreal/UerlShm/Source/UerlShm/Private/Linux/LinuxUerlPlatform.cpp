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
				 "%u: run both as one user, or give the learner shm_group= and shm_mode=0o660, or "
				 "run_as_user="),
			*Path, File.st_uid, File.st_gid, File.st_mode & 07777, geteuid(), getegid());
		return RefusedRegion;
	}

	// As learners name segments: nothing else will ever be there to wait for.
	static bool IsName(const FString& Name)
	{
		for (int32 Index = 0; Index < Name.Len(); Index++)
		{
			const TCHAR Each = (*Name)[Index];
			const bool bIsLetter = (Each >= 'a' && Each <= 'z') || (Each >= 'A' && Each <= 'Z') ||
								   (Each >= '0' && Each <= '9') || Each == '{';
			const bool bIsMark = Each == '.' || Each == '_' || Each == '}' || Each == '-';
			if (!bIsLetter && (Index == 0 || !bIsMark))
			{
				return false;
			}
		}
		return Name.Len() > 0 && Name.Len() <= UERL_NAME_BYTES;
	}

	// What open() had against it, in words.
	static int64 FailToOpen(FString& OutProblem, const FString& Path, int Cause)
	{
		struct stat Found = {};
		if (Cause == ENOENT)
		{
			OutProblem = FString::Printf(TEXT("segment %s not found, expected a learner that made "
											  "it: start the learner, check the name, and "
											  "check that both sides share /dev/shm"),
				*Path);
			return NoRegion;
		}
		if (Cause == EACCES && stat(TCHAR_TO_UTF8(*Path), &Found) == 0)
		{
			return Refuse(OutProblem, Path, Found);
		}
		OutProblem = FString::Printf(TEXT("segment %s cannot be opened (%s), expected a regular "
										  "file in /dev/shm: choose another name"),
			*Path, UTF8_TO_TCHAR(strerror(Cause)));
		return RefusedRegion;
	}

	int64 ReadRegion(const FString& Name, void* OutFirst, int64 FirstBytes, FString& OutProblem)
	{
		const FString Path = TEXT("/dev/shm/") + Name;
		if (!IsName(Name))
		{
			OutProblem = FString::Printf(
				TEXT("segment name '%s' is not allowed, expected 1 to %d letters, digits or ._{}- "
					 "that begin with a letter, a digit or {: choose another name"),
				*Name, static_cast<int32>(UERL_NAME_BYTES));
			return RefusedRegion;
		}
		// The engine opens regions for reading and writing, so this does, too.
		const int File = open(TCHAR_TO_UTF8(*Path), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (File < 0)
		{
			return FailToOpen(OutProblem, Path, errno);
		}
		struct stat Found = {};
		const bool bIsRegular = fstat(File, &Found) == 0 && S_ISREG(Found.st_mode) &&
								pread(File, OutFirst, FirstBytes, 0) >= 0;
		close(File);
		if (!bIsRegular)
		{
			OutProblem = FString::Printf(
				TEXT("segment %s is no regular file, expected a segment: choose another name"),
				*Path);
			return RefusedRegion;
		}
		return Found.st_size;
	}
} // namespace UerlPlatform
