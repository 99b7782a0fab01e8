//! ABI of the system contracts, generated from `contracts/interfaces`.
#![allow(missing_docs, reason = "generated from documented Solidity interfaces")]
#![allow(clippy::too_many_arguments, reason = "generated, one argument a field")]

alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IProviders.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IJobs.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IDisputes.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IChain.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IMarket.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IClaims.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IAudits.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/ICapacity.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IStaking.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IGovernance.sol"
);
alloy_sol_types::sol!(
    #![sol(all_derives)]
    "../../contracts/interfaces/IRewards.sol"
);
