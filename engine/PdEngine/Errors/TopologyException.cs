namespace PdEngine;

/// <summary>A topology file cannot be used; raised before any weights are opened.</summary>
public sealed class TopologyException : PdEngineException
{
    /// <summary>Makes the exception for one place of one file.</summary>
    /// <param name="file">The file as the caller named it.</param>
    /// <param name="line">Line of the fault, from 1; null where the file as a whole is at fault.</param>
    /// <param name="problem">What is wrong, with numbers, and what to change.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public TopologyException(string file, int? line, string problem, Exception? innerException = null)
        : base(line is { } at ? $"{file}:{at}: {problem}" : $"{file}: {problem}", innerException)
    {
        File = file;
        Line = line;
    }

    /// <summary>The file as the caller named it.</summary>
    public string File { get; }

    /// <summary>Line of the fault, from 1, or null.</summary>
    public int? Line { get; }
}
