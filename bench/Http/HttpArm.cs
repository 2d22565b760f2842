namespace PdEngine.Bench;

/// <summary>A way to get the tokens.</summary>
/// <param name="Name">For example <c>in-process</c>.</param>
/// <param name="RunAsync">Runs all requests of all streams.</param>
internal sealed record HttpArm(string Name, Func<CancellationToken, Task<HttpArmRun>> RunAsync);

/// <summary>What all streams of an arm got.</summary>
/// <param name="Tokens">In all.</param>
/// <param name="Events">Parts that they came in.</param>
/// <param name="Bytes">Of the answers; 0 in process.</param>
internal readonly record struct HttpArmRun(int Tokens, int Events, long Bytes)
{
    public static HttpArmRun operator +(HttpArmRun left, HttpArmRun right) => new(
        left.Tokens + right.Tokens, left.Events + right.Events, left.Bytes + right.Bytes);
}
