namespace PdEngine.Host;

/// <summary>The files of an offline batch: - is standard input or output.</summary>
internal static class BatchFiles
{
    /// <summary>Refuses files that cannot be used, before any weight is loaded.</summary>
    public static void Check(string input, string? output)
    {
        if (input != "-" && !File.Exists(input))
            throw new OptionsException("--input", $"'{input}' is not a file");
        OpenInput(input).Dispose();
        if (output is null or "-")
            return;
        if (Directory.Exists(output))
            throw new OptionsException("--output", $"'{output}' is a folder");
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        if (!Directory.Exists(folder))
            throw new OptionsException("--output", $"the folder '{folder}' is not there");
        if (input != "-" && Target(input) == Target(output))
            throw new OptionsException("--output", "it is the input file");
    }

    public static Stream OpenInput(string input)
    {
        if (input == "-")
            return Console.OpenStandardInput();
        try
        {
            return File.OpenRead(input);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException("--input", $"'{input}' cannot be read: {error.Message}");
        }
    }

    /// <summary>Opens the answers' file, emptied; only once there is an engine to fill it.</summary>
    public static Stream OpenOutput(string? output)
    {
        if (output is null or "-")
            return Console.OpenStandardOutput();
        try
        {
            return File.Create(output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException("--output", $"'{output}' cannot be written: {error.Message}");
        }
    }

    /// <summary>The file that a path means in the end, through symbolic links.</summary>
    private static string Target(string path) =>
        new FileInfo(path) is { Exists: true } file
            && file.ResolveLinkTarget(returnFinalTarget: true) is { } target
            ? target.FullName
            : Path.GetFullPath(path);
}
