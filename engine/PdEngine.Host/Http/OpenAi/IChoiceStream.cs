namespace PdEngine.Host;

/// <summary>Sends one choice of an answer as it is made.</summary>
internal interface IChoiceStream
{
    /// <summary>Before anything is made.</summary>
    ValueTask BeginAsync();

    /// <summary>Some was made.</summary>
    ValueTask AddAsync(TokenChunk chunk);

    /// <summary>All was made.</summary>
    ValueTask EndAsync(Generation generation);
}
