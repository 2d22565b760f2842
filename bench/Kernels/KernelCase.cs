namespace PdEngine.Bench;

/// <summary>One call of one op at one size.</summary>
/// <param name="Op"><c>matmul</c>, <c>attention</c> or a small op.</param>
/// <param name="Name">What it works on, for example <c>qkv 4096x1024</c>.</param>
/// <param name="Phase"><c>prefill</c> or <c>decode</c>.</param>
/// <param name="Batch">Sequences.</param>
/// <param name="Tokens">Rows.</param>
/// <param name="Context">Positions behind each sequence; 0 where the op knows none.</param>
/// <param name="Flops">Its work.</param>
/// <param name="Bytes">What it must read (and the small ops, write).</param>
/// <param name="Run">The call; each goes on to other memory, so that caches do not hold what a model would
/// read from memory.</param>
internal sealed record KernelCase(
    string Op, string Name, string Phase, int Batch, int Tokens, int Context, double Flops, double Bytes,
    Action Run)
{
    /// <summary>Rows up to this many are a decode step's, more are a prompt's.</summary>
    public const int MostDecodeRows = 64;

    public static string PhaseOf(int rows) => rows <= MostDecodeRows ? "decode" : "prefill";
}
