using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>A source, compiled for a target.</summary>
/// <param name="Bytes">A cubin, or PTX without a zero byte.</param>
/// <param name="Compiler">What made it, by its own account.</param>
internal sealed partial record BuiltImage(ImageRecord Record, byte[] Bytes, string Compiler)
{
    /// <exception cref="CudaException">It does not compile.</exception>
    public static BuiltImage Of(Nvrtc compiler, ImageSet set, string source, CudaTarget target)
    {
        string text = set.TextOf(source);
        NvrtcImage image = compiler.Compile($"{source}.cu", text, target.Name, CudaSources.Flags);
        byte[] bytes = target.IsVirtual ? Encoding.UTF8.GetBytes(image.Ptx) : image.Cubin;
        Dictionary<string, Match> used = UsedByEntry().Matches(image.Log)
            .ToDictionary(match => match.Groups["name"].Value);
        KernelRecord[] kernels = [.. Entry().Matches(image.Ptx)
            .Select(entry => KernelOf(entry, used.GetValueOrDefault(entry.Groups["name"].Value)))
            .OrderBy(kernel => kernel.Name, StringComparer.Ordinal)];
        ImageRecord record = new(
            target.Name, source, CudaSources.HashOf(text, target.Name),
            Convert.ToHexStringLower(SHA256.HashData(bytes)), bytes.Length, kernels);
        Match version = Version().Match(image.Ptx);
        return new(record, bytes, $"NVRTC {version.Groups["version"]} ({version.Groups["build"]})");
    }

    private static KernelRecord KernelOf(Match entry, Match? used) =>
        new(
            entry.Groups["name"].Value, int.Parse(entry.Groups["bytes"].Value), Number(used, "registers"),
            Number(used, "stores") + Number(used, "loads"), Number(used, "stack"));

    private static int Number(Match? used, string group) =>
        used is null ? 0 : int.Parse(used.Groups[group].Value);

    [GeneratedRegex(@"\.entry (?<name>\w+)\(\s*\.param \.align \d+ \.b8 \w+\[(?<bytes>\d+)\]\s*\)")]
    private static partial Regex Entry();

    [GeneratedRegex(
        @"Compiling entry function '(?<name>\w+)'.*?(?<stack>\d+) bytes stack frame, "
        + @"(?<stores>\d+) bytes spill stores, (?<loads>\d+) bytes spill loads.*?Used (?<registers>\d+)",
        RegexOptions.Singleline)]
    private static partial Regex UsedByEntry();

    [GeneratedRegex(
        @"Build ID: (?<build>\S+).*?tools, release \S+ V(?<version>\S+)", RegexOptions.Singleline)]
    private static partial Regex Version();
}
