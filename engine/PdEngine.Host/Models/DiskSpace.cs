namespace PdEngine.Host;

/// <summary>Whether a disk has room.</summary>
internal static class DiskSpace
{
    /// <exception cref="OptionsException">It has not, with both numbers.</exception>
    public static void ThrowIfShort(string path, long neededBytes, string flag = "OUT")
    {
        string? folder = Path.GetFullPath(path);
        while (folder is not null && !Directory.Exists(folder))
            folder = Path.GetDirectoryName(folder);
        long free = new DriveInfo(folder ?? "/").AvailableFreeSpace;
        if (free < neededBytes)
        {
            throw new OptionsException(flag, $"{Shown.Bytes(neededBytes)} are needed, and the disk of "
                + $"'{folder}' has {Shown.Bytes(free)} free");
        }
    }
}
