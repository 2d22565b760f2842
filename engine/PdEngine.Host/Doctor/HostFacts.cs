using System.Globalization;

namespace PdEngine.Host;

/// <summary>What the system says of itself; what it does not say is null.</summary>
internal sealed record HostFacts
{
    /// <summary>The distribution and its version.</summary>
    public string? System { get; init; }

    public required string Kernel { get; init; }

    public string? Cpu { get; init; }

    /// <summary>Names of instruction sets, as the system lists them.</summary>
    public required IReadOnlySet<string> CpuFlags { get; init; }

    /// <summary>Cores that this process may use, by its mask and its container's share.</summary>
    public required int Cores { get; init; }

    /// <summary>Cores of the machine.</summary>
    public int? OnlineCores { get; init; }

    /// <summary>Memory domains; more than one where sockets have memory of their own.</summary>
    public int? NumaNodes { get; init; }

    public long? MemoryBytes { get; init; }

    /// <summary>What may still be taken, by the machine's and the container's measure.</summary>
    public required long FreeBytes { get; init; }

    /// <summary>When the system gives huge pages: <c>always</c>, <c>madvise</c> or <c>never</c>.</summary>
    public string? HugePages { get; init; }

    /// <summary>Most files and connections at once.</summary>
    public long? OpenFiles { get; init; }

    /// <summary>Where the kernels' library was loaded from; null where it was not.</summary>
    public string? Library { get; init; }

    /// <summary>Whether OpenSSL is installed.</summary>
    public required bool HasOpenSsl { get; init; }

    /// <summary>Reads them.</summary>
    /// <param name="root">Folder that stands for <c>/</c>.</param>
    public static HostFacts Read(string root = "/")
    {
        string[] cpu = Lines(root, "proc/cpuinfo");
        return new()
        {
            System = After(Lines(root, "etc/os-release"), "PRETTY_NAME=")?.Trim('"'),
            Kernel = Environment.OSVersion.VersionString,
            Cpu = After(cpu, "model name"),
            CpuFlags = (After(cpu, "flags") ?? "").Split(' ').ToHashSet(StringComparer.Ordinal),
            Cores = Environment.ProcessorCount,
            OnlineCores = cpu.Count(IsCore) is > 0 and var all ? all : null,
            NumaNodes = CountNodes(Path.Combine(root, "sys/devices/system/node")),
            MemoryBytes = Number(After(Lines(root, "proc/meminfo"), "MemTotal:")) * 1024,
            FreeBytes = HostMemory.FreeBytes(),
            HugePages = Chosen(Lines(root, "sys/kernel/mm/transparent_hugepage/enabled").FirstOrDefault()),
            OpenFiles = Number(After(Lines(root, "proc/self/limits"), "Max open files")),
            HasOpenSsl = Sha256.IsOpenSslThere,
            Library = PlaceOf(Mapped(Lines(root, "proc/self/maps"), "libpd_cpu.so")),
        };
    }

    /// <summary>What follows a name and a colon or an equals sign at the start of some line.</summary>
    internal static string? After(IEnumerable<string> lines, string name) =>
        lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..]
            .TrimStart('\t', ' ', ':', '=').TrimEnd();

    /// <summary>The word in brackets.</summary>
    internal static string? Chosen(string? words) =>
        words?.IndexOf('[') is { } open and >= 0 && words.IndexOf(']') is { } close && close > open
            ? words[(open + 1)..close] : null;

    /// <summary>The file of a mapping whose name has this in it.</summary>
    internal static string? Mapped(IEnumerable<string> maps, string name) =>
        maps.FirstOrDefault(line => line.Contains(name, StringComparison.Ordinal)) is { } line
            ? line[line.IndexOf('/', StringComparison.Ordinal)..] : null;

    /// <summary>What the binary carries is loaded from memory, under no name of a file.</summary>
    internal static string? PlaceOf(string? mapped) =>
        mapped?.StartsWith("/memfd:", StringComparison.Ordinal) == true ? "inside the binary" : mapped;

    private static bool IsCore(string line) => line.StartsWith("processor", StringComparison.Ordinal);

    private static long? Number(string? words) =>
        long.TryParse(words?.Split(' ')[0], CultureInfo.InvariantCulture, out long number) ? number : null;

    private static int? CountNodes(string folder) =>
        Directory.Exists(folder) && Directory.GetDirectories(folder, "node*") is { Length: > 0 } nodes
            ? nodes.Length : null;

    private static string[] Lines(string root, string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(root, file));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
