namespace PdEngine;

/// <summary>An option or flag has a value that the engine cannot start with.</summary>
public sealed class OptionsException : PdEngineException
{
    /// <summary>Makes the exception for one option.</summary>
    /// <param name="option">The option as the caller spells it.</param>
    /// <param name="problem">What is wrong with its value and what to change.</param>
    public OptionsException(string option, string problem)
        : base($"{option}: {problem}")
    {
        Option = option;
    }

    /// <summary>The option as the caller spells it.</summary>
    public string Option { get; }
}
