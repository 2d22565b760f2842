namespace PdEngine.Bench;

/// <summary>One request of a load, for us and for a peer.</summary>
internal sealed record ServingRequest
{
    /// <summary>Names it, the same in every arm; its draws are seeded by it.</summary>
    public required string Key { get; init; }

    /// <summary>Row of the chart that shows it.</summary>
    public required int Row { get; init; }

    public required RequestRole Role { get; init; }

    public required int[] Prompt { get; init; }

    /// <summary>It makes exactly so many.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>Requests of a session follow one another, and each begins with what came before.</summary>
    public string? Session { get; init; }
}
