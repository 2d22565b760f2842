using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace PdEngine;

/// <summary>The sources of the kernels, which this build carries, as one text without includes.</summary>
internal sealed class CudaSources
{
    private const string Prefix = "PdEngine.CudaSource/";

    private readonly Dictionary<string, string> _files = [];
    private readonly HashSet<string> _taken = [];
    private readonly StringBuilder _text = new();

    private CudaSources()
    {
        Assembly assembly = typeof(CudaSources).Assembly;
        foreach (string name in assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            using StreamReader reader = new(assembly.GetManifestResourceStream(name)!);
            _files.Add(name[Prefix.Length..].Replace('\\', '/'), reader.ReadToEnd());
        }
        IEnumerable<string> kernels = _files.Keys
            .Where(name => name.EndsWith(".cu", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
        foreach (string name in kernels)
            Take(name);
    }

    /// <summary>How they are compiled, beside the target: nothing is fused but where it is written.</summary>
    public static IReadOnlyList<string> Options { get; } =
        ["--std=c++17", "--fmad=false", "--device-as-default-execution-space", "--ptxas-options=-v"];

    /// <summary>The generations that images are built for.</summary>
    public static IReadOnlyList<string> Targets { get; } = ["sm_80", "sm_89", "sm_90a", "compute_80"];

    public static string Text { get; } = new CudaSources()._text.ToString();

    /// <summary>
    /// Of the sources and the options: an image is good for as long as this is what it was made of.
    /// </summary>
    public static string Hash { get; } = Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes(Text + string.Join(' ', Options))));

    private void Take(string name)
    {
        if (!_taken.Add(name))
            return;
        foreach (string line in _files[name].ReplaceLineEndings("\n").Split('\n'))
        {
            if (line.StartsWith("#include \"", StringComparison.Ordinal))
                Include(name, line.Split('"')[1]);
            else if (line.Trim() != "#pragma once")
                _text.Append(line).Append('\n');
        }
    }

    private void Include(string from, string path)
    {
        List<string> parts = [.. from.Split('/')[..^1]];
        foreach (string part in path.Split('/'))
        {
            if (part == "..")
                parts.RemoveAt(parts.Count - 1);
            else
                parts.Add(part);
        }
        // What the emulator alone compiles is not carried.
        if (parts[0] != "emulator")
            Take(string.Join('/', parts));
    }
}
