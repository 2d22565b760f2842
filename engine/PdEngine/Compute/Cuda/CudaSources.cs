using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace PdEngine;

/// <summary>
/// Sources of the kernels, as they are compiled: each is one text, with its headers in their places, so that
/// an image depends on nothing but that text and the flags.
/// </summary>
internal static class CudaSources
{
    private const string Prefix = "PdEngine.Cuda/sources/";

    // Its headers are for the host's compiler, and stand where NVRTC does not look.
    private const string Emulator = "emulator/";

    private static readonly Assembly Library = typeof(CudaSources).Assembly;

    /// <summary>Nothing is fused but what the sources fuse: a sum has the same bits everywhere.</summary>
    public static IReadOnlyList<string> Flags { get; } =
        ["--std=c++17", "--fmad=false", "-default-device", "--ptxas-options=-v"];

    /// <summary>One for each image, without extension, in order.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Library.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)
                && name.EndsWith(".cu", StringComparison.Ordinal))
            .Select(name => name[Prefix.Length..^".cu".Length])
            .Order(StringComparer.Ordinal)];

    /// <summary>The whole text of a source of the library.</summary>
    public static string TextOf(string name) => TextOf(name, Read);

    /// <param name="name">Without extension.</param>
    /// <param name="read">Text of a file by its path.</param>
    public static string TextOf(string name, Func<string, string> read)
    {
        StringBuilder text = new();
        Append(text, $"{name}.cu", [], read);
        return text.ToString();
    }

    /// <summary>What an image is known by: the sha256 of its source, its flags and what it is for.</summary>
    public static string HashOf(string text, string target) =>
        Convert.ToHexStringLower(SHA256.HashData(
            Encoding.UTF8.GetBytes($"{target}\n{string.Join('\n', Flags)}\n{text}")));

    private static void Append(
        StringBuilder text, string path, HashSet<string> placed, Func<string, string> read)
    {
        text.Append("#line 1 \"").Append(path).Append("\"\n");
        int number = 0;
        foreach (string line in read(path).Split('\n'))
        {
            number++;
            string? header = HeaderOf(line, path);
            if (header is not null && placed.Add(header))
            {
                Append(text, header, placed, read);
                text.Append("#line ").Append(number + 1).Append(" \"").Append(path).Append("\"\n");
            }
            else
            {
                // What is in its place once needs no guard.
                text.Append(header is null && line != "#pragma once" ? line : "").Append('\n');
            }
        }
    }

    private static string? HeaderOf(string line, string path)
    {
        const string directive = "#include \"";
        if (!line.StartsWith(directive, StringComparison.Ordinal))
            return null;
        string name = line[directive.Length..line.LastIndexOf('"')];
        string folder = path.Contains('/') ? path[..(path.LastIndexOf('/') + 1)] : "";
        const string up = "../";
        if (name.StartsWith(up, StringComparison.Ordinal))
            (folder, name) = ("", name[up.Length..]);
        string header = folder + name;
        return header.StartsWith(Emulator, StringComparison.Ordinal) ? null : header;
    }

    /// <summary>Text of a file of the library's by its path.</summary>
    public static string Read(string path)
    {
        using Stream stored = Library.GetManifestResourceStream(Prefix + path)
            ?? throw new FileNotFoundException($"The library holds no source {path} of its kernels.");
        using StreamReader reader = new(stored);
        return reader.ReadToEnd();
    }
}
