namespace PdEngine;

/// <summary>
/// A checkpoint, tokenizer or chat template file cannot be used; raised before its memory is taken.
/// </summary>
public sealed class CheckpointException : PdEngineException
{
    /// <summary>Makes the exception for one file or folder.</summary>
    /// <param name="path">The file or folder at fault.</param>
    /// <param name="problem">What is wrong with it, with numbers, and what to change.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public CheckpointException(string path, string problem, Exception? innerException = null)
        : base($"{path}: {problem}", innerException)
    {
        Path = path;
    }

    /// <summary>The file or folder at fault.</summary>
    public string Path { get; }
}
