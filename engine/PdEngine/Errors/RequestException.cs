namespace PdEngine;

/// <summary>
/// One request asks for something that cannot be served as asked; other requests are untouched.
/// </summary>
public sealed class RequestException : PdEngineException
{
    /// <summary>Makes the exception for one field of a request.</summary>
    /// <param name="field">The request's field, in the spelling of the <c>/generate</c> body.</param>
    /// <param name="problem">What is wrong with it, with numbers, and what to change.</param>
    public RequestException(string field, string problem)
        : base($"{field}: {problem}")
    {
        Field = field;
    }

    /// <summary>The request's field, in the spelling of the <c>/generate</c> body.</summary>
    public string Field { get; }
}
