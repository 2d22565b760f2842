namespace PdEngine;

/// <summary>How a router picks a worker for a request.</summary>
public enum RouterPolicy
{
    /// <summary>The worker with the longest cached prefix, unless it is much busier than others.</summary>
    CacheAware,

    /// <summary>Each worker in turn.</summary>
    RoundRobin,

    /// <summary>Any worker.</summary>
    Random,

    /// <summary>The less busy of two workers drawn at random.</summary>
    PowerOfTwo,

    /// <summary>One key, one worker, with few moves when workers come and go.</summary>
    ConsistentHashing,

    /// <summary>By a hash of the first tokens.</summary>
    PrefixHash,

    /// <summary>By length of the prompt.</summary>
    Bucket,

    /// <summary>A key stays with the worker it first met.</summary>
    Manual,
}
