// ShimFiles.h: paths, and files that are written bit by bit.
#pragma once

#include "ShimCore.h"

#include <filesystem>

struct FPaths {
    static FString ProjectDir()
    {
        return FString(std::filesystem::current_path().string() + "/");
    }
    static FString ConvertRelativePathToFull(const FString &Base, const FString &Path)
    {
        return FString((std::filesystem::path(Base.ToUtf8()) / Path.ToUtf8()).string());
    }
};

class FArchive
{
  public:
    explicit FArchive(std::FILE *File) : File(File)
    {
    }
    ~FArchive()
    {
        std::fclose(File);
    }
    void Serialize(void *Bytes, int64 Count)
    {
        const std::size_t Wanted = static_cast<std::size_t>(Count);
        bFailed |= std::fwrite(Bytes, 1, Wanted, File) != Wanted;
    }
    void Flush()
    {
        bFailed |= std::fflush(File) != 0;
    }
    bool IsError() const
    {
        return bFailed;
    }

  private:
    std::FILE *File;
    bool bFailed = false;
};

class IFileManager
{
  public:
    static IFileManager &Get()
    {
        static IFileManager Only;
        return Only;
    }
    bool FileExists(const TCHAR *Path)
    {
        return std::filesystem::is_regular_file(ShimToUtf8(Path));
    }
    bool Delete(const TCHAR *Path)
    {
        return std::filesystem::remove(ShimToUtf8(Path));
    }
    FArchive *CreateFileWriter(const TCHAR *Path)
    {
        std::FILE *const File = std::fopen(ShimToUtf8(Path).c_str(), "wb");
        return File == nullptr ? nullptr : new FArchive(File);
    }
};
