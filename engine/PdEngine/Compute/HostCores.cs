namespace PdEngine;

/// <summary>The cores that this process may use.</summary>
internal static class HostCores
{
    /// <summary>Core numbers, ascending; null where the system does not say.</summary>
    public static IReadOnlyList<int>? Allowed()
    {
        const string status = "/proc/self/status";
        const string name = "Cpus_allowed_list:";
        if (!File.Exists(status))
            return null;
        foreach (string line in File.ReadLines(status))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
                return Parse(line[name.Length..]);
        }
        return null;
    }

    /// <summary>Reads a list such as <c>0-3,8,10-11</c>; null where it is not one.</summary>
    internal static IReadOnlyList<int>? Parse(string list)
    {
        List<int> cores = [];
        foreach (string range in list.Split(',', StringSplitOptions.TrimEntries))
        {
            string[] ends = range.Split('-');
            bool isRange = int.TryParse(ends[0], out int first) & int.TryParse(ends[^1], out int last);
            if (!isRange || ends.Length > 2 || first < 0 || last < first || last > 65535)
                return null;
            for (int core = first; core <= last; core++)
                cores.Add(core);
        }
        return cores;
    }
}
