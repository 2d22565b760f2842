namespace PdEngine.Examples;

/// <summary>A task whose answers a program can reward.</summary>
public interface IEnvironment
{
    /// <summary>As the command line names it.</summary>
    string Name { get; }

    /// <summary>Starts an episode; the same seed is the same task.</summary>
    IEpisode Start(int seed);
}
