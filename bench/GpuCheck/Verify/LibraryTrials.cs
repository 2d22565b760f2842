namespace PdEngine.Bench;

/// <summary>What NVIDIA's other libraries are asked for, where they are.</summary>
internal static class LibraryTrials
{
    /// <summary>One rank sends blocks to itself.</summary>
    public static CheckRow Nccl(CheckRig rig) =>
        new CheckRow("verify/hand-off by NCCL").Missing("library missing: this build has no binding of NCCL");
}
