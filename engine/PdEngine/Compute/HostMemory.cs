namespace PdEngine;

/// <summary>How much memory this process may still take.</summary>
internal static class HostMemory
{
    /// <summary>
    /// Bytes free: what the kernel calls available, or what is left of the container's limit, the lower of
    /// them.
    /// </summary>
    public static long FreeBytes()
    {
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        long limit = memory.TotalAvailableMemoryBytes;
        long available = AvailableBytes() ?? limit - memory.MemoryLoadBytes;
        return Math.Max(0, Math.Min(available, limit));
    }

    private static long? AvailableBytes()
    {
        const string name = "MemAvailable:";
        if (!File.Exists("/proc/meminfo"))
            return null;
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith(name, StringComparison.Ordinal)
                && long.TryParse(line[name.Length..].Replace("kB", "").Trim(), out long kilobytes))
            {
                return kilobytes * 1024;
            }
        }
        return null;
    }
}
