namespace PdEngine.Bench;

/// <summary>Checkpoints of random weights, made on the spot under a name instead of a path.</summary>
internal static class RandomModel
{
    private const string Prefix = "random:";

    public static IReadOnlyList<string> Shapes => RandomCheckpoint.Shapes;

    /// <summary>
    /// A path as it is; for <c>random:SHAPE</c> a folder made in the temporary folder, once per seed.
    /// </summary>
    /// <exception cref="OptionsException">There is no such shape.</exception>
    public static string Resolve(string model, ulong seed)
    {
        if (!model.StartsWith(Prefix, StringComparison.Ordinal))
            return model;
        string shape = model[Prefix.Length..];
        if (!Shapes.Contains(shape))
        {
            throw new OptionsException("--model",
                $"there is no random model '{shape}'; there are {string.Join(", ", Shapes)}");
        }
        string folder = Path.Combine(Path.GetTempPath(), $"pdengine-random-{shape}-{seed}");
        if (!File.Exists(Path.Combine(folder, "complete")))
            Make(shape, folder, seed);
        return folder;
    }

    /// <summary>Whether a path is such a folder: files that are made of it may stay there.</summary>
    public static bool IsOurs(string path) =>
        Path.GetFileName(path).StartsWith("pdengine-random-", StringComparison.Ordinal)
        && File.Exists(Path.Combine(path, "complete"));

    /// <summary>The path of a named shape.</summary>
    /// <exception cref="OptionsException">There is no such shape.</exception>
    public static string OfShape(string shape) => Shapes.Contains(shape)
        ? Resolve(Prefix + shape, 0)
        : throw new OptionsException(
            "--shape", $"there is no shape '{shape}'; there are {string.Join(", ", Shapes)}");

    /// <summary>
    /// Made aside and moved into place, so that two processes cannot meet half a checkpoint.
    /// </summary>
    private static void Make(string shape, string folder, ulong seed)
    {
        string aside = $"{folder}.{Environment.ProcessId}";
        RandomCheckpoint.Write(aside, RandomCheckpoint.ConfigOf(shape), seed);
        if (shape == "tiny")
            File.WriteAllBytes(Path.Combine(aside, "tokenizer.json"), ByteTokenizer.Json());
        File.WriteAllText(Path.Combine(aside, "complete"), "");
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            Directory.Move(aside, folder);
        }
        catch (IOException) when (File.Exists(Path.Combine(folder, "complete")))
        {
            Directory.Delete(aside, recursive: true);
        }
    }
}
