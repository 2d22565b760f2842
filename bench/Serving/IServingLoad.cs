using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>Requests and when they come.</summary>
internal interface IServingLoad
{
    string Name { get; }

    /// <summary>What is served, in a line.</summary>
    string Title { get; }

    /// <summary>Model where none was named.</summary>
    string DefaultModel { get; }

    /// <summary>Most requests at once.</summary>
    int MaxConcurrency { get; }

    /// <summary>Longest request, prompt and output, in tokens.</summary>
    int LongestTokens { get; }

    /// <summary>Runs the load once on a cold server.</summary>
    Task<LoadTrace> RunAsync(IServer server, int vocabularySize, int seed);

    /// <summary>Writes its parameters as properties.</summary>
    void WriteParameters(Utf8JsonWriter json);
}
